mod completion_window;
mod pod;
