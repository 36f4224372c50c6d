//! The only place that prints.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// What was asked holds.
    Pass,
    /// Findings, a failed expectation, a flow that does not work.
    Fail,
    /// Bad input or usage.
    BadInput,
    /// That could not be determined.
    Unknown,
    /// As a command did that was run for the caller.
    Passed(u8),
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a piece of text is shown on a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// Works.
    Good,
    /// Does not work.
    Bad,
    /// Needs a look.
    Doubt,
    /// Less important.
    Dim,
    /// More important.
    Strong,
}

/// What a server says of itself goes to standard error, one line each.
pub(crate) fn log(color: bool) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_target(false)
        .with_ansi(color)
        .init();
}

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Console {
    out: std::io::BufWriter<std::io::Stdout>,
    color: bool,
    color_stderr: bool,
    /// The reader of the output has gone: nothing more is written, and that is no error.
    closed: bool,
    failed: bool,
}

impl Console {
    pub(crate) fn new(color: Color) -> Self {
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && !refused && !dumb
            }
        };
        Self {
            color: wanted(std::io::stdout().is_terminal()),
            color_stderr: wanted(std::io::stderr().is_terminal()),
            out: std::io::BufWriter::new(std::io::stdout()),
            closed: false,
            failed: false,
        }
    }

    /// One whose output nobody reads.
    pub(crate) fn quiet() -> Self {
        Self { closed: true, ..Self::new(Color::Never) }
    }

    /// Whether standard output is coloured.
    pub(crate) fn colored(&self) -> bool {
        self.color
    }

    pub(crate) fn color_on_stderr(&self) -> bool {
        self.color_stderr
    }

    /// The lines and columns of the terminal that standard output is; none where it is none.
    pub(crate) fn size(&self) -> Option<(usize, usize)> {
        let out = std::io::stdout();
        let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out))?.ok()?;
        let known = |of: u16, usual: usize| if of == 0 { usual } else { usize::from(of) };
        Some((known(size.ws_row, 24), known(size.ws_col, 80)))
    }

    /// Writes to standard output.
    pub(crate) fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        if let Err(error) = self.out.write_all(text.as_bytes()) {
            self.closed = true;
            self.failed = error.kind() != std::io::ErrorKind::BrokenPipe;
        }
    }

    /// Writes a line to standard output.
    pub(crate) fn line(&mut self, text: &str) {
        self.write(text);
        self.write("\n");
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) {
        if !self.closed && self.out.flush().is_err() {
            self.closed = true;
        }
    }

    /// Writes a JSON document.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.line(&text);
    }

    /// Writes to standard error. That nobody reads it is no reason to stop.
    pub(crate) fn error(&mut self, text: &str) {
        let _nobody_reads = std::io::stderr().write_all(text.as_bytes());
    }

    /// A text in a style, where output is coloured.
    pub(crate) fn styled(&self, style: Style, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Doubt => "33",
            Style::Dim => "2",
            Style::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Ends the output and gives the program's exit code.
    pub(crate) fn finish(mut self, code: Code) -> ExitCode {
        if !self.closed
            && let Err(error) = self.out.flush()
        {
            self.failed = error.kind() != std::io::ErrorKind::BrokenPipe;
        }
        if self.failed {
            return ExitCode::from(2);
        }
        ExitCode::from(match code {
            Code::Pass => 0,
            Code::Fail => 1,
            Code::BadInput => 2,
            Code::Unknown => 3,
            Code::Passed(status) => status,
        })
    }
}
