//! The pages of the Studio door.

mod spaces;

use maud::{DOCTYPE, Markup, html};
use sagegate_gate::{Context, HttpRequest};
use sagegate_network::Arrival;
use sagegate_services::sagemaker::records::DomainRecord;
use sagegate_services::sagemaker::studio::Visit;

pub(crate) use spaces::connect;

use crate::actions::NotDone;
use crate::record::Subject;
use crate::spaces::SpaceView;

/// The one script: pages are whole without it.
pub(crate) const SCRIPT: &str = include_str!("../studio.js");
/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("../style.css");

/// What stands around a page.
struct Sheet<'a> {
    title: &'a str,
    /// The domain, for a visitor who is in.
    domain: Option<&'a DomainRecord>,
    request_id: Option<&'a str>,
}

impl Sheet<'_> {
    fn around(&self, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Studio" }
                    link rel="stylesheet" href="/style.css";
                    @if self.domain.is_some() { script src="/studio.js" defer {} }
                }
                body {
                    @if self.domain.is_some() { a.skip href="#main" { "Skip to content" } }
                    header {
                        span.mark aria-hidden="true" {}
                        span.name { "Studio" }
                        @if let Some(domain) = self.domain {
                            span.place { (domain.name) }
                            form method="post" action={ "/" (domain.id) "/logout" } {
                                button type="submit" { "Sign out" }
                            }
                        }
                    }
                    main #main { (body) }
                    @if let Some(id) = self.request_id {
                        footer { "Request " span.id { (id) } }
                    }
                }
            }
        }
    }
}

/// A name and a value. Ids and ARNs may be broken behind their own punctuation.
fn fact(name: &str, value: &dyn std::fmt::Display) -> Markup {
    let value = value.to_string();
    html! {
        div {
            dt { (name) }
            dd { span.id { @for part in value.split_inclusive([':', '/']) { (part) wbr; } } }
        }
    }
}

/// The Studio home of a profile: its spaces, who I am, my domain, by which network I came; and what
/// was not done, if something was not.
pub(crate) fn home(
    visit: &Visit,
    context: &Context,
    spaces: &[SpaceView],
    not: Option<&NotDone>,
) -> Markup {
    let domain = &visit.domain;
    let body = html! {
        h1 { (visit.profile.name) }
        p.lead { "Your user profile in the domain " strong { (domain.name) } "." }
        @if let Some(not) = not {
            div.refusal role="alert" {
                p { (not.text) }
                p.quiet {
                    "Whoever runs this Sagegate can see what decided: "
                    code { "sagegate explain " (not.request_id) }
                }
            }
        }
        (spaces::list(visit, spaces, context.now))
        h2.part { "You" }
        div.cards {
            section.card aria-labelledby="who" {
                h3 #who { "Who you are" }
                dl {
                    (fact("User profile", &visit.profile_arn()))
                    (fact("Signed in as", &context.caller.arn()))
                    (fact("Session ends", &visit.ends.iso8601()))
                    @if let Some(landing) = &visit.landing { (fact("Asked to land at", landing)) }
                }
            }
            section.card aria-labelledby="domain" {
                h3 #domain { "Your domain" }
                dl {
                    (fact("Domain", &domain.id))
                    (fact("Account", &visit.scope.account))
                    (fact("Region", &visit.scope.region))
                }
            }
            section.card aria-labelledby="way" {
                h3 #way { "How you came" }
                (way(&context.arrival))
            }
        }
    };
    Sheet {
        title: &visit.profile.name,
        domain: Some(domain),
        request_id: Some(&context.request_id),
    }
    .around(&body)
}

fn way(arrival: &Arrival) -> Markup {
    match arrival {
        Arrival::Endpoint(endpoint) => html! {
            p { span.way { "Through your VPC" } }
            dl {
                (fact("VPC endpoint", &endpoint.vpc_endpoint_id))
                (fact("VPC", &endpoint.vpc_id))
                (fact("Subnet", &endpoint.subnet_id))
                (fact("Your private address", &endpoint.vpc_source_ip))
            }
        },
        Arrival::Public { source_ip } => html! {
            p { span.way { "By the public way" } }
            dl { (fact("Your address", source_ip)) }
        },
        Arrival::Service { service } => html! { p { (service) } },
    }
}

/// A visitor who is known and may not be here.
pub(crate) fn refused(subject: &Subject, text: &str, request: &HttpRequest) -> Markup {
    let id = &request.request_id;
    let what = match subject {
        Subject::Notebook(_) => "this notebook instance",
        Subject::Profile(_) | Subject::App { .. } => "Studio",
    };
    let body = html! {
        h1 { "You may not open " (what) " from here" }
        p.lead {
            "Your permission is decided anew on every request, with the network that it comes by."
        }
        p.refusal { (text) }
        section.card aria-labelledby="way" {
            h2 #way { "How this request came" }
            (way(&request.arrival))
        }
        p { "Whoever runs this Sagegate can see which statement decided:" }
        pre { code { "sagegate explain " (id) } }
    };
    Sheet { title: "Refused", domain: None, request_id: Some(id) }.around(&body)
}

/// Where a visitor without a session is sent.
pub(crate) fn sign_in(reason: Option<&str>) -> Markup {
    let why = match reason {
        Some("expired") => Some("Your session has ended."),
        Some("unknown") => Some(
            "This link was used before, has expired, or was never issued; or your session is not \
             known here.",
        ),
        Some("gone") => Some(
            "The domain, the user profile or the principal that the link was made for no longer \
             exists.",
        ),
        Some("not-in-service") => {
            Some("The domain or the user profile is not in service at the moment.")
        }
        Some("studio-disabled") => Some("Access to Studio is disabled for this user profile."),
        Some("left") => Some("You have signed out."),
        _ => None,
    };
    let body = html! {
        h1 { "Sign in to Studio" }
        @if let Some(why) = why { p.refusal { (why) } }
        p {
            "Studio is opened with a presigned URL. Ask for one with your own AWS credentials, by "
            "the network that your permission asks for, and open it before it expires:"
        }
        pre {
            code {
                "aws sagemaker create-presigned-domain-url \\\n"
                "    --domain-id DOMAIN --user-profile-name PROFILE"
            }
        }
    };
    Sheet { title: "Sign in", domain: None, request_id: None }.around(&body)
}

/// Another page sent what only this one may.
pub(crate) fn other_origin() -> Markup {
    let body = html! {
        h1 { "This was not sent from this page" }
        p { "Another page has tried to do something in your name. Nothing was done." }
    };
    Sheet { title: "Refused", domain: None, request_id: None }.around(&body)
}

/// A visitor without a session at an app's address.
pub(crate) fn app_away(reason: &str) -> Markup {
    let body = html! {
        h1 { "This app is opened from Studio" }
        p.refusal { (reason) }
        p { "Go back to the Studio home of your user profile and open the app from there." }
    };
    Sheet { title: "Open it from Studio", domain: None, request_id: None }.around(&body)
}

/// A visitor without a session at a notebook instance's address.
pub(crate) fn notebook_away(reason: &str) -> Markup {
    let body = html! {
        h1 { "This notebook instance is opened with a presigned URL" }
        p.refusal { (reason) }
        p {
            "Ask for a URL with your own AWS credentials, by the network that your permission asks "
            "for, and open it within five minutes:"
        }
        pre {
            code {
                "aws sagemaker create-presigned-notebook-instance-url \\\n"
                "    --notebook-instance-name NAME"
            }
        }
    };
    Sheet { title: "Open it with a URL", domain: None, request_id: None }.around(&body)
}

/// An app or a notebook instance that does not answer.
pub(crate) fn app_silent(subject: &Subject, why: &str, request_id: &str) -> Markup {
    let (title, hint) = match subject {
        Subject::Notebook(_) => (
            "The notebook instance does not answer",
            "If it was just stopped, start it again with StartNotebookInstance.",
        ),
        Subject::Profile(_) | Subject::App { .. } => (
            "The app does not answer",
            "If it was just stopped, run its space again on the Studio home.",
        ),
    };
    let body = html! {
        h1 { (title) }
        p.refusal { (why) }
        p { (hint) }
    };
    Sheet { title: "No answer", domain: None, request_id: Some(request_id) }.around(&body)
}

/// There is no such page; `home` is where the next one is.
pub(crate) fn not_found(request_id: &str, home: &str) -> Markup {
    let body = html! {
        h1 { "There is no such page" }
        p { a href=(home) { "Studio home" } }
    };
    Sheet { title: "Not found", domain: None, request_id: Some(request_id) }.around(&body)
}

/// The page is not called in this way.
pub(crate) fn not_allowed(methods: &str) -> Markup {
    let body = html! { h1 { "This page is called by " (methods) } };
    Sheet { title: "Not allowed", domain: None, request_id: None }.around(&body)
}

/// Something failed here.
pub(crate) fn failed(request_id: &str) -> Markup {
    let body = html! {
        h1 { "Something failed here" }
        p {
            "It was not your fault. Try again; if it stays, the log has more under the request's id."
        }
    };
    Sheet { title: "Failed", domain: None, request_id: Some(request_id) }.around(&body)
}
