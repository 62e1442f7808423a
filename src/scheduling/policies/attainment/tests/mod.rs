mod course;
mod fit;
mod meter;
mod placing;
mod pod;
mod speed;
