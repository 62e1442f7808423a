mod capacity;
mod deviation;
mod fit;
mod meter;
mod room;
mod speed;
