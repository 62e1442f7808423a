mod course;
mod pod;
