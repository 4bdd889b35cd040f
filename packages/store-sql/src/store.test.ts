import { withSqlite } from "../test/sqlite-database.js";
import { storeSuite } from "../test/suite.js";

storeSuite("SQLite", withSqlite);
