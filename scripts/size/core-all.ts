import * as core from "sasl-core";

console.log(core);
