//! What to do about a mistake on the command line that clap has no tip for; among them what users of other tools are used to.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Flags of other tools, and those here that do the same, of which a subcommand has one or none.
const FLAGS: &[(&[&str], &[&str])] = &[
    (&["--validation-split", "--val-split", "--validation-fraction"], &["val-fraction"]),
    (&["--test-split", "--test-size"], &["test-fraction"]),
    (
        &[
            "--image-size",
            "--img-size",
            "--imgsz",
            "--input-size",
            "--input-shape",
            "--target-size",
            "--size",
            "--resolution",
            "--color-mode",
            "--grayscale",
            "--rgb",
        ],
        &["input"],
    ),
    (&["--output", "-o", "--output-file", "--output-dir", "--save", "--name"], &["export", "out", "answers"]),
    (&["--data-dir", "--dataset-dir", "--train-dir", "--folder", "--directory", "--images", "-d"], &["data"]),
    (&["--learning-rate"], &["lr"]),
    (&["--batch", "-b"], &["batch-size"]),
    (&["--epoch", "--num-epochs", "-e"], &["epochs"]),
    (&["--arch", "--architecture", "--network", "-m"], &["model"]),
    (&["--random-seed", "--random-state"], &["seed"]),
    (&["--early-stopping", "--early-stop"], &["patience"]),
    (
        &[
            "--weights",
            "--pretrained",
            "--backbone",
            "--base-model",
            "--fine-tune",
            "--finetune",
            "--transfer",
            "--init-weights",
            "--include-top",
            "--transfer-learning",
        ],
        &["init"],
    ),
    (&["--freeze-base", "--freeze-backbone", "--freeze-layers", "--trainable"], &["freeze"]),
    (
        &[
            "--rotation",
            "--rotation-range",
            "--rotate",
            "--zoom",
            "--zoom-range",
            "--shear-range",
            "--width-shift-range",
            "--height-shift-range",
            "--brightness",
            "--brightness-range",
            "--cutout",
            "--augmentation",
            "--augmentations",
        ],
        &["augment"],
    ),
    (&["--hflip", "--horizontal-flip", "--mirror"], &["flip"]),
    (&["--target", "--board", "--mcu"], &["chip"]),
    (&["--ram"], &["max-ram"]),
    (&["--flash"], &["max-flash"]),
    (&["--checkpoint", "--continue", "--initial-epoch"], &["resume"]),
    (&["--cv", "--kfold", "--k-fold", "--cross-validation", "--cross-validate"], &["folds"]),
    (&["--class-weight", "--class-weights", "--balanced", "--oversample", "--logit-adjustment"], &["balance"]),
    (&["--top-k", "--topk", "-k"], &["top"]),
    (&["--silent"], &["quiet"]),
];

/// Flags of other tools for which a recipe has a key, and that key.
const RECIPE_KEYS: &[(&[&str], &str)] = &[
    (&["--dropout"], "dropout"),
    (&["--weight-decay", "--l2"], "weight_decay"),
    (&["--mixup"], "mixup"),
    (&["--label-smoothing"], "label_smoothing"),
    (&["--monitor"], "monitor"),
    (
        &[
            "--lr-schedule",
            "--lr-scheduler",
            "--schedule",
            "--scheduler",
            "--lr-decay",
            "--warmup",
            "--reduce-lr",
            "--reduce-lr-on-plateau",
        ],
        "[schedule]",
    ),
    (&["--optimizer", "--adam", "--momentum", "--beta1", "--beta2"], "[adam] (Adam is the only optimizer)"),
    (&["--qat", "--quantization-aware"], "[quantization_aware]"),
];

/// Flags of other tools that nothing here is like, and what happens instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["--gpu", "--gpus", "--device", "--cuda"], "training is on the CPU alone, on all cores"),
    (
        &["--threads", "--num-threads", "--workers", "--num-workers", "--jobs", "-j"],
        "all cores are used; the environment variable RAYON_NUM_THREADS=2 limits them to two",
    ),
    (&["--quantize", "--int8"], "fit always quantizes what it trains; the exported model has 8-bit integers"),
    (
        &["--rescale", "--rescaling", "--normalize", "--normalization", "--mean", "--std"],
        "images go in as bytes, which mean 0 to 1: there is nothing to rescale, in training or on the chip",
    ),
    (
        &["--tflite", "--tflite-model", "--onnx", "--h5", "--keras"],
        "'trainer import model.tflite' reads TFLite files and no other format; fit --init trains the imported run further",
    ),
    (
        &["--restore-best-weights", "--save-best-only"],
        "the weights of the best epoch are kept, or with recipe folders those at the end of the schedule",
    ),
    (
        &["--callbacks", "--tensorboard", "--log-dir", "--logdir"],
        "a run keeps history.csv and report.html; trainer plot draws its figures",
    ),
    (
        &["--loss", "--metrics"],
        "the loss is the cross-entropy; fit, eval and the report have accuracy, recall, precision and the confusion matrix",
    ),
    (
        &["--steps-per-epoch"],
        "an epoch is one pass over the training images; with few images least_steps of a recipe adds epochs",
    ),
    (&["--verbose"], "progress is always printed; --quiet leaves it out, and --json prints it for programs"),
    (
        &["--validation-data", "--validation-dir", "--val-dir"],
        "put validation images into a folder val/ next to train/, in --data",
    ),
    (&["--mixed-precision", "--fp16", "--amp"], "training computes with 32-bit floats"),
    (&["--shuffle"], "training images are always shuffled, by --seed"),
    (&["--classes", "--class-names", "--labels"], "the names of the folders are the classes"),
];

/// Subcommands of other tools, and what does the same here.
const SUBCOMMANDS: &[(&[&str], &str)] = &[
    (&["train", "compile"], "'trainer fit' trains, quantizes and exports"),
    (&["list", "ls"], "'trainer models', 'trainer recipes' and 'trainer chips' list what is built in"),
    (&["info", "summary", "show", "describe"], "'trainer inspect' shows what is in a model file"),
    (&["classify", "infer", "inference"], "'trainer predict' classifies images"),
    (
        &["test", "evaluate", "validate", "score", "confusion", "confusion-matrix", "metrics"],
        "'trainer eval' tests a model file on images",
    ),
    (&["quantize"], "'trainer fit' quantizes what it trains; 'trainer export RUN --calibration METHOD' does so again"),
    (&["convert", "save"], "'trainer export' writes the model file of a run"),
    (&["resume", "continue"], "'trainer fit --resume RUN' resumes a run"),
    (&["draw", "visualize", "graph", "history"], "'trainer plot' draws the figures of a run"),
    (&["compare"], "'trainer report RUN RUN' compares runs"),
    (&["tune", "tuner", "optimize", "hpo", "sweep", "automl"], "'trainer search' finds networks and recipes"),
    (&["finetune", "fine-tune", "transfer"], "'trainer fit --init RUN' trains an earlier or imported network further"),
    (&["benchmark", "bench", "profile", "size"], "'trainer inspect' estimates flash, RAM and time on chips"),
    (&["serve", "app", "web"], "'trainer demo' writes a page that runs a model in a browser"),
    (
        &["deploy", "flash", "build", "new", "emulate", "run"],
        "'trainer firmware' writes a project that runs a model on a chip",
    ),
];

/// What to do about `error`, of a command line whose subcommand is `subcommand`.
pub fn tip(error: &clap::Error, subcommand: Option<&clap::Command>) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let directory = |path: &str| format!("to read the images of a directory, use '--data {path}'");
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => of_subcommand(text(ContextKind::InvalidSubcommand)?),
        ErrorKind::UnknownArgument if Path::new(argument).is_dir() => Some(directory(argument)),
        ErrorKind::UnknownArgument => of_flag(argument, subcommand?),
        ErrorKind::InvalidValue if argument.starts_with("--dataset") => {
            let value = text(ContextKind::InvalidValue)?;
            let is_path = Path::new(value).exists() || value.contains(std::path::is_separator);
            is_path.then(|| directory(value))
        }
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).unwrap_or_default();
            [argument, other].iter().any(|name| name.starts_with("--resume")).then(|| {
                "a resumed run keeps the settings that it was begun with; for others begin a new run".to_owned()
            })
        }
        _ => None,
    }
}

fn of_subcommand(name: &str) -> Option<String> {
    let (_, tip) = SUBCOMMANDS.iter().find(|(names, _)| names.contains(&name))?;
    Some((*tip).to_owned())
}

/// The flags of `subcommand` that do what `name` does elsewhere, with their help.
fn of_flag(name: &str, subcommand: &clap::Command) -> Option<String> {
    // As Python writes them.
    let name = &*name.replace('_', "-");
    let has = |flag: &str| subcommand.get_arguments().any(|argument| argument.get_long() == Some(flag));
    if let Some((_, key)) = RECIPE_KEYS.iter().find(|(names, _)| names.contains(&name) && has("recipe")) {
        return Some(format!(
            "in a recipe this is {key}: 'trainer recipes folders > mine.toml' for a folder of images, 'trainer recipes tutorial > \
             mine.toml' otherwise, and '--recipe ./mine.toml'"
        ));
    }
    if let Some((_, instead)) = INSTEAD.iter().find(|(names, _)| names.contains(&name) && has("recipe")) {
        return Some((*instead).to_owned());
    }
    let (_, here) = FLAGS.iter().find(|(names, _)| names.contains(&name))?;
    let flags: Vec<String> = here.iter().filter(|flag| has(flag)).map(|flag| described(flag, subcommand)).collect();
    (!flags.is_empty()).then(|| format!("here this is {}", flags.join(", or ")))
}

/// A flag with the first sentence of its help.
fn described(flag: &str, subcommand: &clap::Command) -> String {
    let argument = subcommand.get_arguments().find(|argument| argument.get_long() == Some(flag));
    let help = argument.and_then(clap::Arg::get_help).map(ToString::to_string).unwrap_or_default();
    let first = help.split([';', '[', ':']).next().unwrap_or_default().trim();
    format!("'--{flag}' ({first})")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Arguments;

    #[test]
    fn what_a_tip_names_is_there_and_what_it_is_for_is_not() {
        let commands = Arguments::command();
        let subcommands: Vec<&clap::Command> = commands.get_subcommands().collect();
        for (names, tip) in SUBCOMMANDS {
            assert!(!subcommands.iter().any(|command| names.contains(&command.get_name())), "{names:?}");
            let named = tip.split("'trainer ").nth(1).and_then(|rest| rest.split([' ', '\'']).next()).unwrap();
            assert!(subcommands.iter().any(|command| command.get_name() == named), "{tip}");
        }
        let flags: Vec<&str> =
            subcommands.iter().flat_map(|command| command.get_arguments()).filter_map(clap::Arg::get_long).collect();
        let is_flag = |names: &[&str]| names.iter().any(|name| flags.contains(&name.trim_start_matches('-')));
        for (names, here) in FLAGS {
            assert!(here.iter().all(|flag| flags.contains(flag)), "{here:?}");
            assert!(!is_flag(names), "{names:?}");
        }
        let fit: Vec<&str> =
            commands.find_subcommand("fit").unwrap().get_arguments().filter_map(clap::Arg::get_long).collect();
        for (names, _) in RECIPE_KEYS.iter().chain(INSTEAD) {
            assert!(!names.iter().any(|name| fit.contains(&name.trim_start_matches('-'))), "{names:?}");
        }
    }
}
