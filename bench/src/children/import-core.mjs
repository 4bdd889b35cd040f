/** What importing `sasl-core`, mechanisms included, adds to an empty process. */
import "sasl-core";
import "sasl-core/mechanisms";
