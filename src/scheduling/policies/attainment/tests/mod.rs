mod backlog;
mod course;
mod placing;
mod pod;
