//! Actors through the real surface: what a caller asks for is what Zinit runs and what the next call shows.

mod bad_input;
mod crashing;
mod crowd;
mod environment;
mod foreign;
mod leftovers;
mod many;
mod one;
mod orphans;
mod random;
mod rebirth;
mod scaling;
mod stopping;
