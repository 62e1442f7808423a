mod backlog;
mod late;
mod placing;
