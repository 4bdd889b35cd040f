import { authenticate } from "sasl-xmpp";
import { PLAIN } from "sasl-xmpp/mechanisms";

console.log(authenticate, PLAIN);
