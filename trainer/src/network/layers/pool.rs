//! What the two pools have in common: the keys of their windows, and where these lie.

use std::fmt;

use infer_core::{Shape, format};
use serde::{Deserialize, Serialize};

use super::window::{Padding, Pair, Placed, Window};

/// Most rows and columns of a window, and from one to the next.
const MOST: u8 = u8::MAX;

/// The windows of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Rows and columns of a window, 1 to 255 each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Pair>,
    /// Rows and columns from one window to the next, 1 to 255 each: as many as the window has, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// What surrounds the input. It does not count: the highest value and the mean are those of the values inside.
    #[serde(default, skip_serializing_if = "Padding::is_valid")]
    pub padding: Padding,
    /// Whether the whole input is one window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub global: bool,
}

impl Pool {
    /// Windows side by side.
    #[must_use]
    pub fn of(window: u8) -> Self {
        Self { window: Some(Pair::both(window)), ..Self::default() }
    }

    /// One window, the whole input.
    #[must_use]
    pub fn global() -> Self {
        Self { global: true, ..Self::default() }
    }

    /// Its windows; `default` where no window is given. `None` where the whole input is one.
    fn windows(&self, default: Option<Pair>) -> Option<Window> {
        let size = self.window.or(default).filter(|_| !self.global)?;
        Some(Window { size, stride: self.stride.unwrap_or(size), padding: self.padding })
    }

    /// Refuses numbers that no input fits.
    pub(super) fn check(&self, default: Option<Pair>) -> Result<(), String> {
        let is_bare = self.window.is_none() && self.stride.is_none() && self.padding.is_valid();
        match self.windows(default) {
            _ if self.global && !is_bare => Err("global = true has no window, no stride and no padding".to_owned()),
            None if !self.global => Err("it has no window; give it window = 2, or global = true".to_owned()),
            None => Ok(()),
            Some(windows) => windows.check("window", MOST, MOST),
        }
    }

    /// Where its windows lie.
    pub(super) fn on(&self, default: Option<Pair>, input: Shape) -> Result<Placed, String> {
        match self.windows(default) {
            Some(windows) => windows.on("window", input),
            None => Ok(Placed::whole(input)),
        }
    }

    /// As the model file has it: a window of 0 rows and columns is the whole input.
    pub(super) fn recorded(&self, placed: &Placed) -> format::Window {
        let recorded = placed.recorded();
        if self.global { format::Window { size: [0; 2], ..recorded } } else { recorded }
    }

    /// The same, with its padding called `same` where that is as much on such an input.
    pub(super) fn with_named_padding(self, default: Option<Pair>, input: Shape) -> Self {
        let named = self.windows(default).filter(|windows| !windows.padding.is_valid());
        Self { padding: named.map_or(self.padding, |windows| windows.named_padding(input)), ..self }
    }

    /// Its name, after that of the kind of pool.
    pub(super) fn shown(&self, default: Option<Pair>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Window { size, stride, padding }) = self.windows(default) else { return f.write_str(" global") };
        write!(f, " {size}")?;
        match stride.square() {
            _ if stride == size => {}
            Some(step) => write!(f, " stride {step}")?,
            None => write!(f, " stride {stride}")?,
        }
        if padding.is_valid() { Ok(()) } else { write!(f, " {padding}") }
    }
}

impl From<&format::Window> for Pool {
    fn from(record: &format::Window) -> Self {
        let Window { size, stride, padding } = Window::from(record);
        match size {
            Pair { rows: 0, columns: 0 } => Self::global(),
            size => Self {
                window: Some(size),
                stride: Some(stride).filter(|&stride| stride != size),
                padding,
                global: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explicit_padding_is_named_same_where_it_is_as_much() {
        let after = Padding::Explicit { above: 0, left: 0, below: 1, right: 1 };
        let named = |window: u8, padding: Padding, side: u16| {
            let pool = Pool { stride: Some(Pair::both(2)), padding, ..Pool::of(window) };
            pool.with_named_padding(None, Shape { height: side, width: side, channels: 1 }).padding
        };
        assert_eq!(named(3, after, 32), Padding::Same);
        assert_eq!(named(3, after, 33), after);
        assert_eq!(named(1, Padding::Valid, 32), Padding::Valid);
        let global = Pool::global().with_named_padding(None, Shape { height: 8, width: 8, channels: 1 });
        assert_eq!(global, Pool::global());
    }
}
