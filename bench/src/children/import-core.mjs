/** What importing `sasl-core` adds to an empty process. */
import "sasl-core";
