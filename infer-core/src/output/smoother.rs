//! One decision from those of successive frames.

/// How slowly a [`Smoother`] follows, and what it takes to change its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Smoothing {
    /// Each frame counts for `2^-shift` of what was seen, 0 to 8: with 0 the last frame alone, with 3 about the last eight.
    pub shift: u8,
    /// Percent of what was seen that makes a class the answer, 1 to 100.
    pub enter: u8,
    /// Percent of what was seen that keeps it the answer, 0 to `enter`.
    pub leave: u8,
}

impl Smoothing {
    /// A frame counts for a quarter; 60% make a class the answer, and it is until there are less than 40%.
    ///
    /// A class is the answer with its fourth frame in a row. After many frames of it, it is no longer with the fourth frame in a row
    /// that is not of it.
    pub const DEFAULT: Self = Self { shift: 2, enter: 60, leave: 40 };
}

impl Default for Smoothing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// One decision from those of successive frames, with hysteresis: a frame that is blurred, or none of the classes, does not change
/// it, and it does not flicker where two classes are as likely.
///
/// Of each class it keeps the share of frames that were [decided](crate::Output::decide) to be of it, recent ones counting more, in
/// integers: `share = share - (share >> shift) + (1 >> shift if the frame is of the class)`, a share of 1 being 2^24. A class whose
/// share reaches `enter` is the answer if there is none or the share is larger than that of the answer; the answer ends when its share
/// is below `leave`. Four bytes a class; `CLASSES` is `classes_len(MODEL)`.
///
/// ```
/// use infer_core::{Smoother, Smoothing};
///
/// const CUP: usize = 1;
/// let mut smoother = Smoother::<3>::new(Smoothing::DEFAULT).unwrap();
/// // `network.classify_frame(&frame)?.decide()` of each frame; `None` is none of the classes.
/// let frames = [Some(CUP), Some(CUP), Some(CUP), Some(CUP), None, Some(CUP), Some(2)];
/// let answers = frames.map(|decision| smoother.update(decision));
/// assert_eq!(answers, [None, None, None, Some(CUP), Some(CUP), Some(CUP), Some(CUP)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Smoother<const CLASSES: usize> {
    shares: [u32; CLASSES],
    shift: u8,
    enter: u32,
    leave: u32,
    answer: Option<usize>,
}

/// A share of all frames. Divisible by two to the power of any shift, so that no share grows past it.
const ALL: u32 = 1 << 24;

/// So many percent of all frames, rounded down.
const fn percent(percent: u8) -> u32 {
    ALL / 100 * percent as u32 + ALL % 100 * percent as u32 / 100
}

impl<const CLASSES: usize> Smoother<CLASSES> {
    /// One that has seen nothing; `None` where a number is out of its range. In a constant, `unwrap` makes that a compile error:
    ///
    /// ```
    /// # use infer_core::{Smoother, Smoothing};
    /// const SMOOTHER: Smoother<10> = Smoother::new(Smoothing { shift: 3, enter: 70, leave: 50 }).unwrap();
    /// ```
    #[must_use]
    pub const fn new(smoothing: Smoothing) -> Option<Self> {
        let Smoothing { shift, enter, leave } = smoothing;
        if shift > 8 || enter == 0 || enter > 100 || leave > enter {
            return None;
        }
        Some(Self { shares: [0; CLASSES], shift, enter: percent(enter), leave: percent(leave), answer: None })
    }

    /// Takes the decision of one more frame, and returns that of all so far: a class, or none of these. A class of `CLASSES` or more is
    /// none.
    pub fn update(&mut self, decision: Option<usize>) -> Option<usize> {
        for share in &mut self.shares {
            *share -= *share >> self.shift;
        }
        let mut challenger = 0;
        if let Some(share) = decision.and_then(|class| self.shares.get_mut(class)) {
            *share += ALL >> self.shift;
            challenger = *share;
        }
        // Only the class of this frame can become the answer: of all others those that were below stay below, as shares that shrink
        // keep their order.
        let share = self.answer.map_or(0, |answer| self.share(answer));
        if challenger >= self.enter && challenger > share {
            self.answer = decision;
        } else if share < self.leave {
            self.answer = None;
        }
        self.answer
    }

    /// The decision of all frames so far.
    #[must_use]
    pub const fn answer(&self) -> Option<usize> {
        self.answer
    }

    /// The share of recent frames that were of a class, 0 to 2^24.
    #[must_use]
    pub fn share(&self, class: usize) -> u32 {
        self.shares.get(class).copied().unwrap_or_default()
    }

    /// Forgets all frames: for a scene that has changed.
    pub fn reset(&mut self) {
        self.shares = [0; CLASSES];
        self.answer = None;
    }
}
