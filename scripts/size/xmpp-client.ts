import { authenticate } from "sasl-xmpp";
import { hashSha256, PLAIN, SCRAM } from "sasl-xmpp/mechanisms";

console.log(authenticate, PLAIN, SCRAM, hashSha256);
