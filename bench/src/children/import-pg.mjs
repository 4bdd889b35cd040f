/** What importing `pg` adds to an empty process. */
import "pg";
