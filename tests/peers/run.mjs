// What `npm run test:peers` starts, after the build.
import "./dist/main.js";
