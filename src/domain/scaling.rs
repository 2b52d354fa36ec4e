//! How many actors, and which: pure decisions.
