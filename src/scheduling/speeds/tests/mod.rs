mod capacity;
mod deviation;
mod fit;
mod kv_capacity;
mod load_integral;
mod prompts;
mod speed;
mod sustained;
