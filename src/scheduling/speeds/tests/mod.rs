mod capacity;
mod deviation;
mod fit;
mod meter;
mod prompts;
mod room;
mod speed;
mod sustained;
