import * as core from "sasl-core";
import * as mechanisms from "sasl-core/mechanisms";

console.log(core, mechanisms);
