//! Pictures: a flow hop by hop, and who reaches whom. SVG to look at, DOT for other programs that draw.
//!
//! What is drawn is decided apart from how: [`flow`] and [`matrix`] place boxes and cells; `svg` writes shapes and knows no network. The
//! same network always gives the same picture. Names come from outside: everything that is written is escaped.

mod dot;
pub(crate) mod flow;
pub(crate) mod matrix;
mod svg;
