//! The spaces of the Studio home, and the way into one from outside.

use maud::{Markup, html};
use sagegate_api::sagemaker::{AppStatus, AppType, SpaceStatus};
use sagegate_gate::Context;
use sagegate_gate::env::Time;
use sagegate_services::sagemaker::studio::Visit;

use super::Sheet;
use crate::actions::DeepLink;
use crate::spaces::{AppView, SpaceView};

/// Instance types that the form suggests; any other can be typed.
const INSTANCES: [&str; 7] = [
    "ml.t3.medium",
    "ml.t3.large",
    "ml.t3.xlarge",
    "ml.m5.large",
    "ml.m5.xlarge",
    "ml.c5.xlarge",
    "ml.g4dn.xlarge",
];

/// The spaces, and the form for a new one.
pub(super) fn list(visit: &Visit, spaces: &[SpaceView], now: Time) -> Markup {
    let moving = spaces.iter().any(SpaceView::is_moving);
    let running = spaces.iter().filter(|it| it.in_service().is_some()).count();
    let summary = format!("{} spaces, {running} running", spaces.len());
    html! {
        div.quiet #told aria-live="polite" {}
        section #spaces aria-labelledby="my-spaces"
            data-moving=(if moving { "yes" } else { "no" }) data-summary=(summary) {
            h2.part #my-spaces { "Spaces" }
            @if spaces.is_empty() {
                p.lead { "You have no space yet. A space is a home directory with an app over it." }
            }
            div.spaces { @for space in spaces { (card(visit, space, now)) } }
            (create(visit))
            datalist #instances { @for name in INSTANCES { option value=(name) {} } }
        }
    }
}

/// The state of a space in a word, and how it looks.
fn state(space: &SpaceView) -> (&'static str, &'static str) {
    match (space.status, space.app.as_ref().map(|app| app.status)) {
        (SpaceStatus::Deleting, _) => ("Being deleted", "wait"),
        (SpaceStatus::Pending | SpaceStatus::Updating, _) => ("Being prepared", "wait"),
        (SpaceStatus::Failed | SpaceStatus::DeleteFailed | SpaceStatus::UpdateFailed, _)
        | (_, Some(AppStatus::Failed)) => ("Failed", "bad"),
        (_, Some(AppStatus::InService)) => ("Running", "good"),
        (_, Some(AppStatus::Pending)) => ("Starting", "wait"),
        (_, Some(AppStatus::Deleting)) => ("Stopping", "wait"),
        (_, Some(AppStatus::Deleted) | None) => ("Stopped", "rest"),
    }
}

fn app_name(app_type: AppType) -> &'static str {
    match app_type {
        AppType::CodeEditor => "Code Editor",
        AppType::JupyterLab => "JupyterLab",
        AppType::JupyterServer => "Jupyter server",
        _ => "App",
    }
}

fn card(visit: &Visit, space: &SpaceView, now: Time) -> Markup {
    let (word, look) = state(space);
    let path = format!("/{}/spaces/{}", visit.domain.id, space.name);
    let heading = format!("name-{}", space.name);
    html! {
        article.card.space id={ "space-" (space.name) } aria-labelledby=(heading) {
            div.head {
                h3 id=(heading) { (space.shown_name.as_deref().unwrap_or(&space.name)) }
                span class={ "state " (look) } { (word) }
            }
            p.quiet {
                (app_name(space.app_type)) " · "
                @if space.shared { "shared in the domain" } @else { "private" }
                @if let Some(owner) = &space.owner { " · " (owner) }
            }
            @for why in space.failure.iter().chain(space.app.iter().filter_map(|it| it.failure.as_ref())) {
                p.refusal { (why) }
            }
            dl {
                @if let Some(app) = &space.app {
                    (line("Instance", &app.instance))
                    @if let Some(active) = app.active { (line("Last active", &ago(active, now))) }
                }
                (remote(space))
            }
            (connections(space, now))
            div.actions { (actions(space, &path)) }
            @if space.remote_access { (ssh_line(space)) }
        }
    }
}

fn line(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn remote(space: &SpaceView) -> Markup {
    let waits = |app: &AppView| app.remote_access != space.remote_access;
    let text = match (space.remote_access, space.in_service().is_some_and(waits)) {
        (true, false) => "on",
        (false, false) => "off",
        (true, true) => "on, once the app is started anew",
        (false, true) => "off; the app that runs was started with it on",
    };
    line("Remote access", text)
}

fn connections(space: &SpaceView, now: Time) -> Markup {
    html! {
        @if !space.connected.is_empty() {
            details.connected {
                summary {
                    (space.connected.len())
                    @if space.connected.len() == 1 { " connection" } @else { " connections" }
                    " from outside"
                }
                ul {
                    @for it in &space.connected {
                        li { span.id { (it.who) } " from " (it.from) ", since " (ago(it.since, now)) }
                    }
                }
            }
        }
    }
}

/// A form with one button.
fn button(path: &str, action: &str, text: &str, space: &SpaceView, look: &str) -> Markup {
    html! {
        form method="post" action={ (path) "/" (action) } {
            button type="submit" class=(look) id={ (action) "-" (space.name) } {
                (text) span.hidden { " " (space.name) }
            }
        }
    }
}

fn actions(space: &SpaceView, path: &str) -> Markup {
    let app = space.app.as_ref().map(|app| app.status);
    let ready = space.status == SpaceStatus::InService;
    let stopped = matches!(app, None | Some(AppStatus::Failed | AppStatus::Deleted));
    html! {
        @if app == Some(AppStatus::InService) {
            a.button.main href={ (path) "/open" } target="_blank" rel="noopener"
                id={ "open-" (space.name) } {
                "Open " (app_name(space.app_type)) span.hidden { " of " (space.name) }
            }
            @if space.remote_access {
                (button(path, "connect", "Open in VS Code", space, ""))
            }
        }
        @if ready && stopped {
            form.run method="post" action={ (path) "/run" } {
                label.hidden for={ "instance-" (space.name) } { "Instance type for " (space.name) }
                input type="text" name="instance" list="instances" autocomplete="off"
                    id={ "instance-" (space.name) }
                    value=(space.app.as_ref().map_or(default_instance(space), |app| &app.instance));
                button.main type="submit" id={ "run-" (space.name) } {
                    "Run" span.hidden { " " (space.name) }
                }
            }
        }
        @if matches!(app, Some(AppStatus::InService | AppStatus::Pending)) {
            (button(path, "stop", "Stop", space, ""))
        }
        @if ready {
            @if space.remote_access {
                (button(path, "remote-access-off", "Turn remote access off", space, "quiet"))
            } @else {
                (button(path, "remote-access-on", "Turn remote access on", space, ""))
            }
        }
        @if ready && stopped && !space.shared {
            details.delete {
                summary { "Delete" span.hidden { " " (space.name) } }
                p { "Its home directory and all files in it are gone then." }
                (button(path, "delete", "Delete it for good", space, "danger"))
            }
        }
    }
}

/// The least that an app can be entered on from outside, where it is to be.
fn default_instance(space: &SpaceView) -> &'static str {
    if space.remote_access { "ml.t3.large" } else { "ml.t3.medium" }
}

fn ssh_line(space: &SpaceView) -> Markup {
    let id = format!("ssh-{}", space.name);
    html! {
        div.copy {
            code id=(id) {
                "ssh -o ProxyCommand='sagegate connect " (space.arn) "' " (space.name)
            }
            button.quiet type="button" data-copy=(id) hidden { "Copy" }
        }
    }
}

fn create(visit: &Visit) -> Markup {
    html! {
        details.card.create {
            summary { "New space" }
            form method="post" action={ "/" (visit.domain.id) "/spaces" } {
                div.field {
                    label for="new-name" { "Name" }
                    input #new-name type="text" name="name" required maxlength="63"
                        pattern="[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}" autocomplete="off"
                        aria-describedby="new-name-rule";
                    span.quiet #new-name-rule { "Letters, digits and hyphens." }
                }
                div.field {
                    label for="new-app" { "App" }
                    select #new-app name="app" {
                        option value="JupyterLab" selected { "JupyterLab" }
                        option value="CodeEditor" { "Code Editor" }
                    }
                }
                div.field.check {
                    input #new-remote type="checkbox" name="remote-access" value="on";
                    label for="new-remote" { "Remote access: VS Code and ssh may connect" }
                }
                button.main type="submit" { "Create" }
            }
        }
    }
}

/// How long ago something was, for a person.
fn ago(then: Time, now: Time) -> String {
    let seconds = (now.millis() - then.millis()).max(0) / 1_000;
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// The way into a space for VS Code.
pub(crate) fn connect(link: &DeepLink, visit: &Visit, context: &Context) -> Markup {
    let body = html! {
        h1 { "Open " (link.space) " in VS Code" }
        p.lead {
            "The link holds a key that opens one connection and is good for a few minutes. It needs "
            "the AWS Toolkit and Remote-SSH extensions of VS Code on this machine."
        }
        p { a.button.main #deep-link href=(link.link) { "Open VS Code" } }
        p { a href={ "/" (visit.domain.id) "/" } { "Back to your spaces" } }
    };
    Sheet {
        title: "Open in VS Code",
        domain: Some(&visit.domain),
        request_id: Some(&context.request_id),
    }
    .around(&body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_do() {
        let now = Time::from_millis(100 * 86_400_000);
        let before = |seconds: i64| ago(now.plus_seconds(-seconds), now);
        assert_eq!(before(0), "just now");
        assert_eq!(before(-5), "just now");
        assert_eq!(before(60), "1 minute ago");
        assert_eq!(before(7_199), "1 hour ago");
        assert_eq!(before(3 * 86_400), "3 days ago");
    }
}
