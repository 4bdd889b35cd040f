import { PLAIN } from "sasl-core";
import { authenticate } from "sasl-xmpp";

console.log(authenticate, PLAIN);
