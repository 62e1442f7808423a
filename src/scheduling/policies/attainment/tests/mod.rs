mod backlog;
mod course;
mod late;
mod placing;
mod pod;
