mod backlog;
mod late;
mod placing;
mod prefixes;
