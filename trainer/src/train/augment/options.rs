//! What may happen to a training image: the numbers of a recipe's `[augment]`, and their ranges.

use serde::{Deserialize, Serialize};

use crate::image::LONGEST_SIDE;

/// What may happen to an image. All are off at 0, and what a range is given for is drawn evenly from it unless another
/// distribution is named; angles, lengths and factors are drawn in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a mirror image, left for right.
    pub flip: f64,
    /// Pixels by which an image moves at most, in each direction; what comes in is black.
    pub shift: usize,
    /// Degrees by which an image is rotated about its center at most.
    pub rotate: f64,
    /// What an image is enlarged by at most: 0.25 for factors of 1/1.25 to 1.25, whose logarithm is drawn evenly.
    pub zoom: f64,
    /// Degrees by which upright lines lean to the left or right at most.
    pub shear: f64,
    /// Share of its height and of its width by which an image moves at most, in parts of a pixel; its border is continued.
    pub translate: f64,
    /// Share of an image's area that is cut off at most; the rest, of another aspect ratio by 3/4 to 4/3, is scaled to the
    /// whole (Szegedy and others 2015).
    pub crop: f64,
    /// Standard deviation of a Gaussian blur at most, in pixels.
    pub blur: f64,
    /// By what values are made larger or smaller at most: 0.3 for factors of 0.7 to 1.3.
    pub brightness: f64,
    /// The same for their distance from the image's mean.
    pub contrast: f64,
    /// The same for colors' distance from gray. Nothing happens to images that are not RGB.
    pub saturation: f64,
    /// Degrees by which colors are turned about gray at most, red to green to blue. Nothing happens to images that are not RGB.
    pub hue: f64,
    /// Standard deviation of Gaussian noise at most; white is 1.
    pub noise: f64,
    /// Probability that a rectangle is painted over with noise (Zhong and others 2017), 2 to 33% of the image.
    pub erase: f64,
}

/// A number, what it is, what it must be, and whether it is that.
pub type Rule = (&'static str, f64, &'static str, bool);

impl Augment {
    /// Every option at a middling number: what tests and measurements of all of them use.
    pub const EVERYTHING: Self = Self {
        flip: 0.5,
        shift: 1,
        rotate: 15.0,
        zoom: 0.2,
        shear: 8.0,
        translate: 0.1,
        crop: 0.3,
        blur: 0.8,
        brightness: 0.3,
        contrast: 0.3,
        saturation: 0.3,
        hue: 12.0,
        noise: 0.05,
        erase: 0.5,
    };

    /// The same with what suits photographs of things: other views of them, other light, another focus. Mirror images stay as they
    /// are, for it is not the image but its class that decides whether it may be mirrored; so do shifts by whole pixels, and erasing.
    #[must_use]
    pub fn for_photographs(self) -> Self {
        let Self { flip, shift, erase, .. } = self;
        let view = Self { rotate: 10.0, crop: 0.3, blur: 0.5, ..Self::default() };
        Self { flip, shift, erase, brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 5.0, noise: 0.02, ..view }
    }

    /// The ranges in which each number must be.
    #[must_use]
    pub fn rules(&self) -> [Rule; 14] {
        let rule = |what, value: f64, most: f64, range| (what, value, range, (0.0..=most).contains(&value));
        [
            rule("augment.flip", self.flip, 1.0, "0 to 1"),
            rule("augment.shift", self.shift as f64, LONGEST_SIDE.into(), "0 to 1024"),
            rule("augment.rotate", self.rotate, 180.0, "0 to 180 degrees"),
            rule("augment.zoom", self.zoom, 1.0, "0 to 1"),
            rule("augment.shear", self.shear, 45.0, "0 to 45 degrees"),
            rule("augment.translate", self.translate, 0.5, "0 to 0.5"),
            rule("augment.crop", self.crop, 0.95, "0 to 0.95"),
            rule("augment.blur", self.blur, 8.0, "0 to 8 pixels"),
            rule("augment.brightness", self.brightness, 1.0, "0 to 1"),
            rule("augment.contrast", self.contrast, 1.0, "0 to 1"),
            rule("augment.saturation", self.saturation, 1.0, "0 to 1"),
            rule("augment.hue", self.hue, 180.0, "0 to 180 degrees"),
            rule("augment.noise", self.noise, 0.5, "0 to 0.5"),
            rule("augment.erase", self.erase, 1.0, "0 to 1"),
        ]
    }

    /// The options that do something, each with its number, such as `rotate 10`; `none` where none does.
    #[must_use]
    pub fn listed(&self) -> Vec<String> {
        let active = self.rules().into_iter().filter(|&(_, value, ..)| value != 0.0);
        let listed: Vec<String> =
            active.map(|(name, value, ..)| format!("{} {value}", name.trim_start_matches("augment."))).collect();
        if listed.is_empty() { vec!["none".to_owned()] } else { listed }
    }

    /// In how many ways an image can be mirrored and moved, where nothing else happens to its view: what [`erase`](Self::erase)
    /// paints over it does not count. `None` where it is warped, blurred, recolored or noisy, for which there is no end of ways.
    #[must_use]
    pub fn motions(&self) -> Option<usize> {
        let is_endless = self.is_warped() || self.is_recolored() || self.blur > 0.0 || self.noise > 0.0;
        (!is_endless).then(|| 2 * (2 * self.shift + 1).pow(2))
    }

    /// Whether images are warped.
    #[must_use]
    pub fn is_warped(&self) -> bool {
        [self.rotate, self.zoom, self.shear, self.translate, self.crop].iter().any(|&most| most > 0.0)
    }

    /// Whether images become of other colors.
    #[must_use]
    pub fn is_recolored(&self) -> bool {
        self.brightness > 0.0 || self.contrast > 0.0 || self.is_for_color()
    }

    /// Whether something would happen to images in color that does not happen to gray ones.
    #[must_use]
    pub fn is_for_color(&self) -> bool {
        self.saturation > 0.0 || self.hue > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_range_whose_ends_are_in_it() {
        let of = |name: &str, value: &str| toml::from_str::<Augment>(&format!("{name} = {value}")).unwrap();
        let names: Vec<&str> = Augment::default().rules().iter().map(|(name, ..)| &name["augment.".len()..]).collect();
        let most =
            ["1.0", "1024", "180.0", "1.0", "45.0", "0.5", "0.95", "8.0", "1.0", "1.0", "1.0", "180.0", "0.5", "1.0"];
        for (at, (name, most)) in names.iter().zip(most).enumerate() {
            let holds = |value: &str| of(name, value).rules().map(|(.., holds)| holds);
            assert_eq!(holds("0"), [true; 14], "{name}");
            assert_eq!(holds(most), [true; 14], "{name}");
            let mut others = [true; 14];
            others[at] = false;
            assert_eq!(holds(if *name == "shift" { "1025" } else { "180.001" }), others, "{name}");
            if *name != "shift" {
                assert_eq!(holds(&format!("{}", most.parse::<f64>().unwrap() * 1.001)), others, "{name}");
                assert_eq!(holds("-0.001"), others, "{name}");
                assert_eq!(holds("nan"), others, "{name}");
            }
        }
        let every = toml::Table::try_from(Augment::default()).unwrap();
        assert_eq!(every.keys().collect::<Vec<_>>().len(), names.len(), "each number has a rule");
        assert!(names.iter().all(|name| every.contains_key(*name)));
    }

    #[test]
    fn photographs_keep_what_their_classes_decide() {
        let before = Augment { flip: 0.5, shift: 2, erase: 0.1, rotate: 90.0, ..Augment::default() };
        let after = before.for_photographs();
        assert_eq!((after.flip, after.shift, after.erase, after.rotate), (0.5, 2, 0.1, 10.0));
        assert!(after.is_warped() && after.is_recolored() && after.is_for_color());
        assert!(after.rules().iter().all(|(.., holds)| *holds));
    }

    #[test]
    fn ways_are_counted_where_images_are_only_mirrored_moved_and_erased() {
        let counted = Augment { flip: 0.5, shift: 2, erase: 0.5, ..Augment::default() };
        assert_eq!(counted.motions(), Some(50));
        assert_eq!(Augment::default().motions(), Some(2));
        for name in [
            "rotate",
            "zoom",
            "shear",
            "translate",
            "crop",
            "blur",
            "brightness",
            "contrast",
            "saturation",
            "hue",
            "noise",
        ] {
            let endless: Augment = toml::from_str(&format!("flip = 0.5\n{name} = 0.1")).unwrap();
            assert_eq!(endless.motions(), None, "{name}");
        }
    }
}
