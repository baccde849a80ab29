//! The picture written down as SVG.

use std::fmt::Write as _;

use crate::scene::{Look, Scene, Shape, Text, Tone, Wire};

/// The class of a colour.
fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Ink => "ink",
        Tone::Muted => "muted",
        Tone::Open => "open",
        Tone::Service => "service",
        Tone::Way => "way",
        Tone::Bad => "bad",
        Tone::Good => "good",
        Tone::OnBadge => "onbadge",
    }
}

/// The class and the corner's radius of a box.
fn look(look: Look) -> (&'static str, i32) {
    match look {
        Look::Vpc => ("vpc", 12),
        Look::Zone => ("zone", 8),
        Look::Card => ("card", 6),
        Look::OpenCard => ("card opencard", 6),
        Look::Inner => ("inner", 4),
        Look::OpenInner => ("openinner", 4),
        Look::ServiceInner => ("serviceinner", 4),
        Look::Internet => ("internet", 15),
        Look::NoInternet => ("nointernet", 15),
        Look::Reached => ("reached", 6),
        Look::NotReached => ("notreached", 6),
        Look::Badge => ("badge", 8),
        Look::BadBadge => ("badbadge", 8),
    }
}

/// Colours: the class, then what it has on a light ground and on a dark one.
const COLOURS: [(&str, &str, &str); 22] = [
    (".sheet", "fill:#ffffff", "fill:#11151b"),
    (".vpc", "fill:#f6f7f9;stroke:#b9c1cc", "fill:#161b22;stroke:#3b4654"),
    (".zone", "fill:none;stroke:#b9c1cc", "fill:none;stroke:#3b4654"),
    (".card", "fill:#ffffff;stroke:#d5dae1", "fill:#1c222b;stroke:#333d4a"),
    (".opencard", "stroke:#d08a12", "stroke:#c98f2b"),
    (".inner", "fill:#f3f4f7", "fill:#252d38"),
    (".openinner", "fill:#fdf0d8;stroke:#d08a12", "fill:#392c12;stroke:#c98f2b"),
    (".serviceinner", "fill:#e4f3f1", "fill:#14322f"),
    (".internet", "fill:#fdf0d8;stroke:#d08a12", "fill:#392c12;stroke:#c98f2b"),
    (".nointernet", "fill:none;stroke:#b9c1cc", "fill:none;stroke:#3b4654"),
    (".reached", "fill:#eef7ee;stroke:#3c8f43", "fill:#15291a;stroke:#4f9d57"),
    (".notreached", "fill:#fdeeed;stroke:#c4372d", "fill:#351a19;stroke:#d9645b"),
    (".badge", "fill:#2461c9", "fill:#7fb0ff"),
    (".badbadge", "fill:#c4372d", "fill:#ff8d84"),
    (".ink", "fill:#1d2630", "fill:#e6ebf2"),
    (".muted", "fill:#5d6a79", "fill:#98a5b5"),
    (".open", "fill:#855500", "fill:#f0c069"),
    (".service", "fill:#0c655c", "fill:#74d3c7"),
    (".way", "fill:#1b4fa8", "fill:#9cc2ff"),
    (".bad", "fill:#b02a21", "fill:#ff9d95"),
    (".good", "fill:#2a6f31", "fill:#86d08d"),
    (".onbadge", "fill:#ffffff", "fill:#0e1319"),
];

/// Lines: the class, light, dark.
const LINES: [(&str, &str, &str); 3] = [
    (".tie", "stroke:#b9c1cc", "stroke:#4a5665"),
    (".opentie", "stroke:#d08a12", "stroke:#c98f2b"),
    (".walk", "stroke:#2461c9", "stroke:#7fb0ff"),
];

const SHAPES: &str = "\
text{font-family:Helvetica,Arial,\"Liberation Sans\",sans-serif;font-size:12px;white-space:pre}\
.t{font-size:22px;font-weight:700}.h{font-size:13px;font-weight:700}.b{font-size:12px}\
.m{font-family:ui-monospace,Menlo,Consolas,\"Liberation Mono\",monospace;font-size:11px}\
.n{font-size:11px;font-weight:700}\
.zone,.nointernet{stroke-dasharray:4 4}\
.tie,.opentie{fill:none;stroke-width:1.5}\
.walk{fill:none;stroke-width:3;stroke-opacity:.55;stroke-linecap:round;stroke-linejoin:round}";

/// The whole file.
pub(crate) fn write(scene: &Scene) -> String {
    let mut out = String::new();
    let (width, height) = (scene.width, scene.height);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"graphics-document document\" aria-roledescription=\"map\" \
         aria-labelledby=\"title\" aria-describedby=\"desc\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n",
        escaped(&scene.title),
        escaped(&scene.description)
    );
    style(&mut out);
    let _ = writeln!(out, "<rect class=\"sheet\" width=\"{width}\" height=\"{height}\"/>");
    out.push_str("<g aria-hidden=\"true\">\n");
    let is_badge = |shape: &&Shape| matches!(shape.look, Look::Badge | Look::BadBadge);
    for shape in scene.shapes.iter().filter(|shape| !is_badge(shape)) {
        rect(&mut out, shape);
    }
    for wire in &scene.wires {
        line(&mut out, wire);
    }
    for shape in scene.shapes.iter().filter(is_badge) {
        rect(&mut out, shape);
    }
    out.push_str("</g>\n");
    texts(&mut out, scene);
    out.push_str("</svg>\n");
    out
}

fn style(out: &mut String) {
    let all = || COLOURS.iter().chain(&LINES);
    out.push_str("<style>");
    out.push_str(SHAPES);
    for (class, light, _) in all() {
        let _ = write!(out, "{class}{{{light}}}");
    }
    // On paper it is always light.
    out.push_str("@media screen and (prefers-color-scheme:dark){");
    for (class, _, dark) in all() {
        let _ = write!(out, "{class}{{{dark}}}");
    }
    out.push_str("}</style>\n");
}

fn rect(out: &mut String, shape: &Shape) {
    let (class, round) = look(shape.look);
    let at = shape.rect;
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{round}\"/>",
        at.x, at.y, at.w, at.h
    );
}

fn line(out: &mut String, wire: &Wire) {
    let class = match (wire.walk, wire.open) {
        (true, _) => "walk",
        (false, true) => "opentie",
        (false, false) => "tie",
    };
    let path = path(&wire.points);
    let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
}

/// A line with round corners.
fn path(points: &[(i32, i32)]) -> String {
    const ROUND: i32 = 6;
    // A point of the line from `from` to `to`, so far before `to`.
    let before = |from: (i32, i32), to: (i32, i32)| {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.abs().max(dy.abs()).max(1);
        let cut = ROUND.min(length / 2);
        (to.0 - dx * cut / length, to.1 - dy * cut / length)
    };
    let mut out = String::new();
    for (at, point) in points.iter().enumerate() {
        let last = at.checked_sub(1).and_then(|at| points.get(at));
        // Writing to a string does not fail.
        let _ = match (last, points.get(at + 1)) {
            (None, _) => write!(out, "M{} {}", point.0, point.1),
            (Some(_), None) => write!(out, "L{} {}", point.0, point.1),
            (Some(last), Some(next)) => {
                let (a, b) = (before(*last, *point), before(*next, *point));
                write!(out, "L{} {}Q{} {} {} {}", a.0, a.1, point.0, point.1, b.0, b.1)
            }
        };
    }
    out
}

/// Texts by the boxes that they are in, as those nest.
fn texts(out: &mut String, scene: &Scene) {
    let mut of: Vec<Vec<&Text>> = vec![Vec::new(); scene.shapes.len()];
    for text in &scene.texts {
        match text.owner.and_then(|owner| of.get_mut(owner)) {
            Some(own) => own.push(text),
            None => one_text(out, text),
        }
    }
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); scene.shapes.len()];
    let mut top = Vec::new();
    for (id, shape) in scene.shapes.iter().enumerate() {
        match shape.parent.and_then(|parent| inside.get_mut(parent)) {
            Some(children) => children.push(id),
            None => top.push(id),
        }
    }
    for id in top {
        group(out, scene, &of, &inside, id);
    }
}

fn group(out: &mut String, scene: &Scene, of: &[Vec<&Text>], inside: &[Vec<usize>], id: usize) {
    let label = scene.shapes.get(id).and_then(|shape| shape.label.as_deref());
    if let Some(label) = label {
        let _ = writeln!(
            out,
            "<g role=\"graphics-object group\" aria-label=\"{}\">",
            escaped(&crate::text::clean(label))
        );
    }
    for text in of.get(id).into_iter().flatten() {
        one_text(out, text);
    }
    // Boxes nest three deep: VPC, zone, card, line.
    for child in inside.get(id).into_iter().flatten() {
        group(out, scene, of, inside, *child);
    }
    if label.is_some() {
        out.push_str("</g>\n");
    }
}

fn one_text(out: &mut String, text: &Text) {
    let _ = write!(
        out,
        "<text class=\"{} {}\" x=\"{}\" y=\"{}\"",
        text.face.class(),
        tone(text.tone),
        text.x,
        text.y
    );
    if text.shown.chars().nth(1).is_some() {
        let _ = write!(out, " textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", text.width);
    }
    out.push('>');
    if let Some(full) = &text.full {
        let _ = write!(out, "<title>{}</title>", escaped(full));
    }
    let _ = writeln!(out, "{}</text>", escaped(&text.shown));
}

/// As text and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}
