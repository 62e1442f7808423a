mod fit;
mod meter;
mod speed;
