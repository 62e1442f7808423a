//! AIBrix's keys in a real Redis behind a real Webdis.
