// What `npm run test:browser` starts, after the build.
import "./dist/main.js";
