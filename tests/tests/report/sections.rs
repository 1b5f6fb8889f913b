//! Sections of a page about images, probabilities and another run: their numbers, their links, and what has nothing to show.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use trainer::report::against::{Tally, compare};
use trainer::report::answers::{Answer, to_csv};
use trainer::report::{Findings, Kind, ReportError, RunRecord, figures, page};

use super::{HOSTILE, convolutions, figure, smallest, written};

/// Answers to images of two classes, in turn: the indices of wrong ones, each with its probability.
fn answers(images: usize, wrong: &[(usize, f32)]) -> Vec<Answer> {
    let answer = |image: usize| {
        let truth = image % 2;
        let mistake = wrong.iter().find(|(index, _)| *index == image);
        let prediction = if mistake.is_some() { 1 - truth } else { truth };
        Answer { truth, prediction, probability: mistake.map_or(0.75, |(_, probability)| *probability) }
    };
    (0..images).map(answer).collect()
}

/// A run of two classes with these answers to images with these files.
fn answered(name: &str, wrong: &[(usize, f32)], files: &[&str]) -> (tempfile::TempDir, RunRecord, Findings) {
    let (home, record, mut findings) = written(&smallest(), name);
    let images = smallest().images().test;
    let images = if files.is_empty() { images } else { images.subset(&(0..files.len()).collect::<Vec<_>>()) };
    findings.answers = answers(images.len(), wrong);
    let images = if files.is_empty() { images } else { images.with_names(files.iter().map(|&file| file.to_owned())) };
    findings.answers_csv = to_csv(&findings.answers, &images);
    findings.shown.mistakes.clear();
    (home, record, findings)
}

/// The targets of a page's links that are not within it.
fn links(html: &str) -> Vec<String> {
    let targets = html.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    targets.filter(|target| !target.starts_with('#')).collect()
}

/// What a browser makes of an address.
fn decoded(reference: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = reference.bytes();
    while let Some(byte) = rest.next() {
        let digits = |rest: &mut std::str::Bytes<'_>| [rest.next().unwrap(), rest.next().unwrap()];
        bytes.push(match byte {
            b'%' => u8::from_str_radix(std::str::from_utf8(&digits(&mut rest)).unwrap(), 16).unwrap(),
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn mistakes_are_linked_to_their_files_whatever_these_are_called_and_wherever_the_page_is() {
    let (home, record, _) = written(&convolutions(), "runs/one");
    let data = home.path().join("my data & \"more\"");
    let mut dataset = convolutions().images();
    let names: Vec<String> = (0..dataset.test.len())
        .map(|image| format!("test/<b>{}</b> 'x'/{image}?#%41 \"><script>.png", HOSTILE[0].replace('/', "")))
        .collect();
    for name in &names[1..] {
        let path = data.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dataset.test = dataset.test.with_names(names.clone());
    let mut config = record.directory.read_config().unwrap();
    config.data_dir = Some(data.clone());
    record.directory.write_config(&config).unwrap();
    record.refresh(&dataset).unwrap();
    let run = home.path().join("runs/one");
    let read = || {
        let record = RunRecord::read(&run).unwrap();
        let findings = record.findings().unwrap();
        (record, findings)
    };
    let runs = [read()];
    let shown = &runs[0].1.shown;
    // The file of the first image is not there, and is named without a link.
    let named = shown.mistakes.iter().map(|mistake| mistake.image);
    let doubtful = shown.suspects.iter().flat_map(|suspects| &suspects.shown).filter(|suspect| suspect.file.is_some());
    let named: Vec<usize> = named.chain(doubtful.map(|suspect| suspect.image)).collect();
    let expected = named.iter().filter(|image| **image > 0).count();
    assert!(expected > 0 && named.contains(&0), "this proves something only of both: {named:?}");
    for (directory, html) in [
        (run.clone(), page::html(&runs).unwrap()),
        (home.path().to_owned(), page::html_in(home.path(), &runs, None).unwrap()),
    ] {
        let links = links(&html);
        assert_eq!(links.len(), expected);
        for link in links {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte);
            assert!(link.bytes().all(plain), "{link}");
            assert!(directory.join(decoded(&link)).is_file(), "{link} leads nowhere from {}", directory.display());
        }
        assert!(!html.contains("<script") && html.contains("&#60;script&#62;"));
    }
}

#[test]
fn what_changed_is_counted_by_class_and_tested() {
    // Wrong here: 0, 3, 5; wrong there: 0, 1, 2, 4, 6, 7, 9. Both wrong: 0.
    let here = answered("here", &[(0, 0.9), (3, 0.6), (5, 0.8)], &[]);
    let there = answered("there", &[(0, 0.9), (1, 0.5), (2, 0.9), (4, 0.9), (6, 0.7), (7, 0.6), (9, 0.6)], &[]);
    let comparison = compare((&here.1, &here.2), (&there.1, &there.2)).unwrap();
    assert_eq!(comparison.total, Tally { images: 16, both: 7, only_this: 6, only_other: 2 });
    // 2 * (1 + 8 + 28) / 256.
    assert!((comparison.total.p_value() - 0.2890625).abs() < 1e-12);
    assert_eq!(
        comparison.classes,
        [
            Tally { images: 8, both: 4, only_this: 3, only_other: 0 },
            Tally { images: 8, both: 3, only_this: 3, only_other: 2 },
        ]
    );
    // The most confident wrong answer first, whoever gave it; of equals the first image.
    let images: Vec<usize> = comparison.changed.iter().map(|changed| changed.image).collect();
    assert_eq!(images, [2, 4, 5, 6, 3, 7, 9, 1]);

    let html = page::html_in(Path::new("."), &[(here.1, here.2)], Some(&(there.1, there.2))).unwrap();
    for part in [
        ">What changed against there</h2>",
        "This run is right on 13 of 16 images, there on 9. 6 are right only in this run, 2 only in the other",
        "McNemar&#39;s exact test, p = 0.289.",
        "the difference may be chance",
        "All 16 test images.",
        "<th scope=\"row\">yes</th><td class=\"number\">8</td><td class=\"number\">0.875</td><td class=\"number\">0.500</td>\
         <td class=\"number\">+37.5</td><td class=\"number\">3</td><td class=\"number\">0</td>",
        "<td class=\"number\">0.750</td><td class=\"number\">0.625</td><td class=\"number\">+12.5</td>",
        ">Right in this run, wrong in there</h3>",
        ">Wrong in this run, right in there</h3>",
        "<td>test image 5</td><td>no</td><td>yes</td><td class=\"number\">80%</td>",
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
}

#[test]
fn runs_are_compared_on_the_images_that_both_were_tested_on() {
    let here = answered("here", &[(1, 0.9)], &["yes/0.png", "no/1.png", "yes/2.png", "no/=3,\"x\".png"]);
    let mut there = answered("there", &[(2, 0.9)], &["yes/2.png", "no/=3,\"x\".png", "yes/0.png"]);
    let compared = |there: &(tempfile::TempDir, RunRecord, Findings)| compare((&here.1, &here.2), (&there.1, &there.2));
    let comparison = compared(&there).unwrap();
    assert_eq!(comparison.total, Tally { images: 3, both: 2, only_this: 1, only_other: 0 });
    assert_eq!((comparison.tested, comparison.changed[0].image), ([4, 3], 0));
    assert_eq!(comparison.files[3], "no/=3,\"x\".png");
    // The same classes in another order are the same classes.
    there.1.config.class_names.swap(0, 1);
    there.2.answers.iter_mut().for_each(|answer| {
        (answer.truth, answer.prediction) = (1 - answer.truth, 1 - answer.prediction);
    });
    assert_eq!(compared(&there).unwrap().total, comparison.total);
    // A class of this run that no common image is of.
    let only_yes = answered("yes", &[], &["yes/0.png"]);
    let comparison = compared(&only_yes).unwrap();
    assert_eq!((comparison.classes[0].images, comparison.classes[1].accuracies()), (1, None));
    let html = page::html_in(Path::new("."), &[(here.1, here.2)], Some(&(only_yes.1, only_yes.2))).unwrap();
    assert!(
        html.contains("The 1 test image that both runs were tested on, of 4 in this run and 1 in the other.")
            && html.contains("<td class=\"number\">–</td>")
    );
    assert!(html.contains("Both classify the same images correctly."));
}

#[test]
fn runs_without_a_common_image_are_not_compared() {
    let named = answered("named", &[], &["yes/0.png", "no/1.png"]);
    let others = answered("others", &[], &["yes/7.png"]);
    let unnamed = answered("unnamed", &[], &[]);
    let mut elsewhere = answered("elsewhere", &[], &[]);
    elsewhere.1.config.dataset = "questions".to_owned();
    for (one, other) in [(&named, &others), (&named, &unnamed), (&unnamed, &elsewhere)] {
        let error = compare((&one.1, &one.2), (&other.1, &other.2)).unwrap_err();
        assert!(matches!(error, ReportError::NothingInCommon { .. }), "{error}");
        let names = format!("{} and {} have no test image in common", one.1.name, other.1.name);
        assert!(error.to_string().starts_with(&names), "{error}");
    }
}

#[test]
fn bars_and_curves_have_their_numbers_and_the_names_of_their_axes() {
    let (_home, record, mut findings) = written(&smallest(), "run");
    findings.shown.class_images = vec![[1200, 10, 30], [0, 0, 0]];
    let counts = figure(Kind::ClassCounts, &record, &findings);
    let svg = counts.svg();
    for part in [
        ">1,200 + 10 + 30</text>",
        ">0 + 0 + 0</text>",
        "<title>yes: 1,200 training images</title>",
        ">images</text>",
        ">training</text>",
        ">validation</text>",
        ">test</text>",
    ] {
        assert!(svg.contains(part), "{part} is missing");
    }
    assert!(!svg.contains("<title>no: 0"), "no bar of nothing");
    assert!(counts.caption.contains("no has no training images."), "{}", counts.caption);
    findings.shown.class_images = vec![[30, 0, 0], [12, 1, 1]];
    let caption = figure(Kind::ClassCounts, &record, &findings).caption;
    assert!(caption.contains("yes has 2.5 times as many training images as no."), "{caption}");
    findings.shown.class_images = vec![[12, 0, 0]; 2];
    assert!(figure(Kind::ClassCounts, &record, &findings).caption.contains("All classes have 12 training images."));

    let curves = findings.shown.precision_recall.clone().unwrap();
    let mean = format!("mean of 2 classes: {:.3}", curves.mean_average_precision);
    let worst = format!("{:.3} {}", curves.worst[0].average_precision, record.class_name(curves.worst[0].class));
    let axes: [(Kind, &[&str]); 4] = [
        (Kind::PrecisionRecall, &["precision", "recall", "100%", &mean, &worst]),
        (Kind::Coverage, &["accuracy of the kept answers", "answers that are kept, the most confident first", "100%"]),
        (Kind::Reliability, &["share of right answers", "probability of the answer", "100%"]),
        (Kind::LearningRate, &["learning rate", "epochs", "planned by the recipe, not trained", "training"]),
    ];
    for (kind, texts) in axes {
        let svg = figure(kind, &record, &findings).svg();
        for text in texts {
            // plotters has a line break before and after its labels.
            let text =
                svg.split("</text>").any(|element| element.rsplit('>').next().is_some_and(|t| t.trim() == *text));
            assert!(text, "{}: {texts:?}", kind.name());
        }
    }
    let caption = figure(Kind::LearningRate, &record, &findings).caption;
    assert!(
        caption.contains("It begins at its full value and stays. The training ended after 1 of at most"),
        "{caption}"
    );
}

#[test]
fn the_batch_is_of_the_first_step_and_the_same_each_time() {
    let (_home, record, findings) = written(&convolutions(), "run");
    let batch = &findings.shown.batch;
    assert_eq!(batch.len(), 15);
    assert_eq!(written(&convolutions(), "again").2.shown.batch, *batch);
    let svg = figure(Kind::Batch, &record, &findings);
    assert_eq!(svg.svg().matches("<image ").count(), 15);
    assert!(svg.caption.starts_with("The first 15 of the first step. The recipe does not change images."));
}

#[test]
fn data_with_next_to_nothing_in_it_have_a_page() {
    for (test, validation) in [(vec![0], vec![]), (vec![], vec![]), (vec![1], vec![1])] {
        let (_home, mut record, _) = written(&smallest(), "run");
        record.metrics.confidence = None;
        let mut dataset = smallest().images();
        dataset.test = dataset.test.subset(&test);
        dataset.validation = dataset.validation.subset(&validation);
        let file = record.directory.read_model().unwrap();
        let findings = Findings::gather(&record.model().unwrap(), &record.config, &file, &dataset, None).unwrap();
        findings.write(&record.directory).unwrap();
        let findings = record.findings().unwrap();
        assert_eq!(findings.shown.precision_recall.is_some(), !test.is_empty());
        let suspects = findings.shown.suspects.clone().unwrap();
        assert_eq!((suspects.images, suspects.doubtful), (test.len() + validation.len(), 0));
        let html = page::html(&[(record, findings)]).unwrap();
        let none = "of 1 validation and test images is doubtful";
        assert_eq!(html.contains(none), suspects.images == 1);
        assert_eq!(html.contains(">Certainty of the answers</h2>"), !test.is_empty());
    }
}

#[test]
fn runs_of_older_trainers_have_a_page_without_what_they_do_not_know() {
    let (home, record, _) = written(&smallest(), "run");
    let path = home.path().join("run/report.json");
    let mut older: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for key in ["batch", "class_images", "precision_recall", "suspects"] {
        assert!(older.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    fs::write(&path, older.to_string()).unwrap();
    let findings = record.findings().unwrap();
    for kind in [Kind::Batch, Kind::ClassCounts, Kind::PrecisionRecall, Kind::Mislabeled] {
        assert!(figures::draw(kind, &record, &findings).unwrap().is_none(), "{}", kind.name());
    }
    let html = page::html(&[(record, findings)]).unwrap();
    assert!(html.contains(">Certainty of the answers</h2>") && !html.contains("probably wrong"));
}

#[test]
fn findings_that_no_figure_can_show_are_refused() {
    let (home, record, _) = written(&smallest(), "run");
    let path = home.path().join("run/report.json");
    let whole: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let image = &whole["samples"][0]["thumbnail"];
    let suspect = json!({
        "split": "test", "image": 0, "given": 0, "suggested": 2, "given_probability": 0.1, "suggested_probability": 0.9,
        "thumbnail": image,
    });
    let bomb = json!({"class": 0, "thumbnail": {"width": 60000, "height": 60000, "png": ""}});
    let long = json!({"images": 1, "classes": 1, "mean_average_precision": 0.5, "mean_precisions": [0.5], "worst": []});
    let cases = [
        ("batch", json!([{"class": 2, "thumbnail": image}]), "a sample is of class 2, but there are 2"),
        ("batch", json!([bomb]), "is too large for a report"),
        ("batch", json!(vec![whole["samples"][0].clone(); 26]), "more than 25 images"),
        ("class_images", json!([[1, 2, 3]]), "counts the images of 1 classes, but there are 2"),
        ("suspects", json!({"images": 1, "doubtful": 1, "shown": [suspect]}), "a doubtful label is class 2"),
        ("precision_recall", long, "has not 101 points"),
    ];
    for (key, value, expected) in cases {
        let mut hostile = whole.clone();
        hostile[key] = value;
        fs::write(&path, hostile.to_string()).unwrap();
        let message = record.findings().unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("--refresh"), "{key}: {message}");
    }
}
