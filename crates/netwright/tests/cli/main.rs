//! The command line from outside: what it prints, how it ends, what it does with bad input.

mod bad_input;
mod check;
mod compare;
mod folder;
mod layers;
mod output;
mod reach;
mod run;
mod tools;
mod trace;
