mod course;
mod placing;
mod pod;
