import { PLAIN, SCRAM } from "sasl-core";
import { authenticate } from "sasl-xmpp";

console.log(authenticate, PLAIN, SCRAM);
