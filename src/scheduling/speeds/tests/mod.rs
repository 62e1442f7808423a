mod capacity;
mod fit;
mod meter;
mod room;
mod speed;
