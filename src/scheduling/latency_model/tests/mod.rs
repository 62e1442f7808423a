mod capacity;
mod deviation;
mod fit;
mod kv_capacity;
mod load_integral;
mod model;
mod prompts;
mod sustained;
