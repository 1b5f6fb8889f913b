//! Errors of candle as one line: where backtraces are on (`RUST_BACKTRACE`) its own text ends in one, of dozens of lines.

use candle_core::Error;

/// What went wrong, without the backtrace.
#[must_use]
pub fn one_line(error: &Error) -> String {
    let text = match error {
        Error::WithBacktrace { inner, .. } => one_line(inner),
        Error::Context { inner, context } => format!("{context}: {}", one_line(inner)),
        Error::WithPath { inner, path } => format!("{}: {}", path.display(), one_line(inner)),
        // The others are candle's, and none of them holds another.
        other => other.to_string(),
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_and_line_breaks_are_left_out() {
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let inner = Box::new(Error::Msg("weights of 3 variables,\nwhere the network has 4".to_owned()));
        let error = Error::WithBacktrace { inner, backtrace };
        assert!(error.to_string().lines().count() > 3, "candle's own text has the backtrace");
        assert_eq!(one_line(&error), "weights of 3 variables,; where the network has 4");
        let error = Error::WithPath { inner: Box::new(error.context("reading")), path: "w.safetensors".into() };
        assert_eq!(one_line(&error), "w.safetensors: reading: weights of 3 variables,; where the network has 4");
    }
}
