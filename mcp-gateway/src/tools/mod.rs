//! The list of tools and resources: what exists, in which order, for which scopes.
//!
//! A family is one file with one function `family()`, and one line in [`catalog`]. Everything
//! that is said about a tool (scopes, hints, schemas) stands beside its definition; the check
//! before a call, the filter of the lists and the scopes of the metadata all read it here.

mod account;
mod calendar;
mod contacts;
mod content_line;
mod cookbook;
mod deck;
mod definition;
mod files;
mod notes;
mod page;
mod provisioning;
mod resource;
mod schema;
mod sharing;
mod tables;
mod visit;

use std::collections::BTreeSet;

use broker_client::oauth::Scope;
pub(crate) use definition::Job;
pub use definition::{Effect, Needs, Tool};
pub use resource::{Contents, Resource, Variables};
pub(crate) use visit::{Outcome, Visit, Visits};

/// The tools and resources of one Nextcloud app.
pub struct Family {
    /// The tools, in the order of the list.
    pub tools: Vec<Tool>,
    /// The resources, in the order of the list.
    pub resources: Vec<Resource>,
}

/// What clients tell their models about the server.
const INSTRUCTIONS: &str = "Tools for the user's own Nextcloud: files, notes and more. Everything \
    happens as the signed-in user and is limited to what they allowed. Reading tools return an \
    etag where changes need one: read before you change, and pass the etag on. When a tool fails, \
    its answer says what to do next.";

/// The same, of a server that lets background jobs in.
const BACKGROUND_INSTRUCTIONS: &str = "The user decides here whether background jobs may work in \
    their Nextcloud while they are away: provision_nextcloud_access begins it, \
    check_provisioning_status tells how it stands, revoke_nextcloud_access ends it. Only the user \
    can allow it, on a page in their own browser. Nothing in Nextcloud can be read or changed in \
    this conversation.";

/// Every tool and resource of a server that works in Nextcloud.
#[must_use]
pub fn catalog() -> Catalog {
    Catalog::new([
        account::family(),
        notes::family(),
        calendar::family(),
        contacts::family(),
        cookbook::family(),
        deck::family(),
        tables::family(),
        files::family(),
        sharing::family(),
    ])
}

/// Every tool of a server that lets background jobs into Nextcloud and gives conversations nothing.
///
/// Tools that could only refuse would cost a model attention at every turn, so they are not there.
#[must_use]
pub fn background_catalog() -> Catalog {
    Catalog {
        instructions: BACKGROUND_INSTRUCTIONS,
        ..Catalog::new([provisioning::family()])
    }
}

/// The tools and resources, in a fixed order.
pub struct Catalog {
    tools: Vec<Tool>,
    resources: Vec<Resource>,
    scopes: Scope,
    instructions: &'static str,
}

impl Catalog {
    /// The families' tools and resources, one family after the other.
    #[must_use]
    pub fn new(families: impl IntoIterator<Item = Family>) -> Self {
        let (mut tools, mut resources) = (Vec::new(), Vec::new());
        for family in families {
            tools.extend(family.tools);
            resources.extend(family.resources);
        }
        let needs = tools
            .iter()
            .map(Tool::needs)
            .chain(resources.iter().map(Resource::needs));
        let tokens: BTreeSet<&str> = needs.flat_map(Needs::scopes).copied().collect();
        let scopes = Scope::from_tokens(tokens).unwrap_or_default();
        Self {
            tools,
            resources,
            scopes,
            instructions: INSTRUCTIONS,
        }
    }

    /// The tools, in the order of the list.
    #[must_use]
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The resources and templates, in the order of the list.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The tool with this name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name() == name)
    }

    /// The resource behind a URI, and the variables of its template.
    #[must_use]
    pub fn resource(&self, uri: &str) -> Option<(&Resource, Variables)> {
        self.resources
            .iter()
            .find_map(|resource| Some((resource, resource.matches(uri)?)))
    }

    /// When and how to use the tools, for the model.
    #[must_use]
    pub fn instructions(&self) -> &'static str {
        self.instructions
    }

    /// Whether some tool may send the user to a page.
    #[must_use]
    pub fn sends_visitors(&self) -> bool {
        self.tools.iter().any(Tool::sends_visitors)
    }

    /// Every scope that some tool or resource asks for.
    #[must_use]
    pub fn scopes(&self) -> &Scope {
        &self.scopes
    }

    /// The scopes that a token has to carry for `needs`: nothing is missing when it has them all.
    ///
    /// For what any scope unlocks these are all scopes, unless the token has one already. Where no tool
    /// asks for a scope by name, any scope of the broker's is one.
    #[must_use]
    pub fn required(&self, needs: Needs, granted: &Scope) -> Scope {
        match needs {
            Needs::AnyScope if granted.intersection(&self.scopes).is_empty() => self.scopes.clone(),
            Needs::AnyScope => Scope::new(),
            Needs::All(_) => needs.to_scope(),
        }
    }

    /// Whether a token with these scopes may do what has these needs.
    #[must_use]
    pub fn allows(&self, needs: Needs, granted: &Scope) -> bool {
        let required = self.required(needs, granted);
        required.is_subset_of(granted) && !granted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().expect("scope")
    }

    #[test]
    fn a_token_without_scopes_may_do_nothing() {
        let catalog = catalog();
        for tool in catalog.tools() {
            assert!(
                !catalog.allows(tool.needs(), &Scope::new()),
                "{}",
                tool.name()
            );
            assert!(
                !catalog.allows(tool.needs(), &scope("openid")),
                "{}",
                tool.name()
            );
        }
        for resource in catalog.resources() {
            assert!(
                !catalog.allows(resource.needs(), &Scope::new()),
                "{}",
                resource.uri()
            );
        }
    }

    #[test]
    fn any_scope_of_this_server_lets_a_token_ask_who_it_is() {
        let catalog = catalog();
        let tool = catalog.tool("nc_whoami").expect("tool");
        assert!(catalog.allows(tool.needs(), &scope("files.read")));
        assert!(!catalog.allows(tool.needs(), &scope("somebody.elses")));
        assert_eq!(
            catalog.required(tool.needs(), &Scope::new()),
            *catalog.scopes()
        );
    }

    #[test]
    fn every_tool_tells_a_model_all_it_needs() {
        let catalog = catalog();
        let mut names = BTreeSet::new();
        let background = background_catalog();
        for tool in catalog.tools().iter().chain(background.tools()) {
            let name = tool.name();
            assert!(names.insert(name.to_owned()), "{name} twice");
            let definition = tool.definition();
            assert!(definition.title.is_some(), "{name} has no title");
            let description = definition.description.as_deref().unwrap_or_default();
            assert!(description.len() > 60, "{name}: say when to use it");
            assert!(
                definition.output_schema.is_some(),
                "{name} has no output schema"
            );
            let hints = definition.annotations.as_ref().expect("annotations");
            for hint in [
                hints.read_only_hint,
                hints.destructive_hint,
                hints.idempotent_hint,
                hints.open_world_hint,
            ] {
                assert!(hint.is_some(), "{name} lacks an annotation");
            }
            let properties = definition.input_schema.get("properties");
            for (field, schema) in properties
                .and_then(|map| map.as_object())
                .into_iter()
                .flatten()
            {
                assert!(
                    schema.get("description").is_some(),
                    "{name}: {field} is not described"
                );
            }
        }
    }

    #[test]
    fn background_access_is_managed_where_nothing_else_is_done() {
        let catalog = background_catalog();
        let names: Vec<_> = catalog.tools().iter().map(Tool::name).collect();
        assert_eq!(
            names,
            [
                "provision_nextcloud_access",
                "revoke_nextcloud_access",
                "check_provisioning_status",
            ]
        );
        assert!(catalog.resources().is_empty() && catalog.scopes().is_empty());
        for tool in catalog.tools() {
            assert!(catalog.allows(tool.needs(), &scope("files.read")));
            assert!(!catalog.allows(tool.needs(), &Scope::new()));
            assert!(super::catalog().tool(tool.name()).is_none());
        }
        assert!(catalog.sends_visitors() && !super::catalog().sends_visitors());
    }

    #[test]
    fn scopes_match_the_effect() {
        for tool in catalog().tools() {
            let Needs::All(scopes) = tool.needs() else {
                continue;
            };
            // Who writes may read as well, such as the calendar that a task is in.
            let writes = scopes.iter().any(|scope| {
                scope
                    .rsplit_once('.')
                    .is_some_and(|(_, verb)| verb == "write")
            });
            assert_eq!(writes, tool.effect() != Effect::Read, "{}", tool.name());
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a list")]
    fn the_tools_of_this_release_are_there_in_order() {
        let names: Vec<String> = catalog()
            .tools()
            .iter()
            .map(|tool| tool.name().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "nc_whoami",
                "nc_capabilities",
                "nc_notes_create_note",
                "nc_notes_update_note",
                "nc_notes_append_content",
                "nc_notes_search_notes",
                "nc_notes_get_note",
                "nc_notes_get_attachment",
                "nc_notes_delete_note",
                "nc_calendar_list_calendars",
                "nc_calendar_create_event",
                "nc_calendar_list_events",
                "nc_calendar_get_event",
                "nc_calendar_update_event",
                "nc_calendar_delete_event",
                "nc_calendar_create_meeting",
                "nc_calendar_get_upcoming_events",
                "nc_calendar_find_availability",
                "nc_calendar_bulk_operations",
                "nc_calendar_manage_calendar",
                "nc_calendar_list_todos",
                "nc_calendar_create_todo",
                "nc_calendar_update_todo",
                "nc_calendar_delete_todo",
                "nc_calendar_search_todos",
                "nc_contacts_list_addressbooks",
                "nc_contacts_list_contacts",
                "nc_contacts_create_addressbook",
                "nc_contacts_delete_addressbook",
                "nc_contacts_create_contact",
                "nc_contacts_delete_contact",
                "nc_contacts_update_contact",
                "nc_cookbook_import_recipe",
                "nc_cookbook_list_recipes",
                "nc_cookbook_get_recipe",
                "nc_cookbook_create_recipe",
                "nc_cookbook_update_recipe",
                "nc_cookbook_delete_recipe",
                "nc_cookbook_search_recipes",
                "nc_cookbook_list_categories",
                "nc_cookbook_get_recipes_in_category",
                "nc_cookbook_list_keywords",
                "nc_cookbook_get_recipes_with_keywords",
                "nc_cookbook_set_config",
                "nc_cookbook_reindex",
                "deck_get_boards",
                "deck_get_board",
                "deck_get_stacks",
                "deck_get_stack",
                "deck_get_cards",
                "deck_get_card",
                "deck_get_labels",
                "deck_get_label",
                "deck_create_board",
                "deck_create_stack",
                "deck_update_stack",
                "deck_delete_stack",
                "deck_create_card",
                "deck_update_card",
                "deck_delete_card",
                "deck_archive_card",
                "deck_unarchive_card",
                "deck_reorder_card",
                "deck_create_label",
                "deck_update_label",
                "deck_delete_label",
                "deck_assign_label_to_card",
                "deck_remove_label_from_card",
                "deck_assign_user_to_card",
                "deck_unassign_user_from_card",
                "nc_tables_list_tables",
                "nc_tables_get_schema",
                "nc_tables_read_table",
                "nc_tables_insert_row",
                "nc_tables_update_row",
                "nc_tables_delete_row",
                "nc_webdav_list_directory",
                "nc_webdav_read_file",
                "nc_webdav_write_file",
                "nc_webdav_create_directory",
                "nc_webdav_delete_resource",
                "nc_webdav_move_resource",
                "nc_webdav_copy_resource",
                "nc_webdav_search_files",
                "nc_webdav_find_by_name",
                "nc_webdav_find_by_type",
                "nc_webdav_list_favorites",
                "nc_share_create",
                "nc_share_delete",
                "nc_share_get",
                "nc_share_list",
                "nc_share_update",
            ]
        );
    }
}
