//! How long an answer will be: estimated once, when its request arrives, from the lengths of recent answers.
