//! Recipes on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const READ: &str = "cookbook.read";
const WRITE: &str = "cookbook.write";
const API: &str = "/index.php/apps/cookbook/api/v1";
const RECIPES: &str = "/index.php/apps/cookbook/api/v1/recipes";
const SOUP: &str = "/index.php/apps/cookbook/api/v1/recipes/731";

fn soup(description: &str) -> Value {
    json!({
        "@context": "http://schema.org", "@type": "Recipe", "name": "Soup", "description": description,
        "recipeIngredient": ["water", "salt"], "recipeInstructions": ["Boil"], "recipeYield": 2,
        "keywords": "soup,lab", "recipeCategory": "Starter", "image": "", "tool": [], "url": "",
        "prepTime": null, "cookTime": "PT30M", "totalTime": null, "nutrition": { "calories": "1" },
        "id": "731", "printImage": true, "imageUrl": "/x", "x-unknown": [1, 2],
    })
}

fn listed(id: u64, name: &str, keywords: Value) -> Value {
    json!({
        "recipe_id": id, "name": name, "keywords": keywords, "category": null, "id": id.to_string(),
        "dateCreated": "2026-11-21T02:06:53+0000", "dateModified": null, "imageUrl": "/x",
    })
}

#[tokio::test]
async fn a_recipe_is_created_and_shown_as_it_is_stored() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("POST", RECIPES, Answer::json(200, json!(731)));
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("A soup")));
    let arguments = json!({
        "name": "Soup", "description": "A <b>soup</b>", "ingredients": ["water", "salt"],
        "instructions": ["Boil"], "cook_time": "PT30M", "recipe_yield": 2, "category": "Starter",
        "keywords": "lab, soup",
    });
    let made = gateway
        .ok(WRITE, "nc_cookbook_create_recipe", arguments)
        .await;
    assert_eq!((&made["id"], &made["name"]), (&json!(731), &json!("Soup")));
    assert_eq!(
        made["altered"],
        json!(["description"]),
        "the app took the tags out"
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].json(),
        json!({
            "@context": "http://schema.org", "@type": "Recipe", "name": "Soup",
            "description": "A <b>soup</b>", "recipeIngredient": ["water", "salt"],
            "recipeInstructions": ["Boil"], "cookTime": "PT30M", "recipeYield": 2,
            "recipeCategory": "Starter", "keywords": "lab, soup",
        })
    );
}

#[tokio::test]
async fn a_name_that_is_taken_names_the_recipe_that_has_it() {
    let gateway = Gateway::start().await;
    let taken = json!({ "msg": "Another recipe with that name already exists", "file": "/x.php", "line": 248 });
    gateway
        .nextcloud
        .on("POST", RECIPES, Answer::json(409, taken));
    let all = json!([
        listed(12, "Soups", Value::Null),
        listed(731, "Soup", Value::Null)
    ]);
    gateway.nextcloud.on("GET", RECIPES, Answer::json(200, all));
    let text = gateway
        .failure(
            WRITE,
            "nc_cookbook_create_recipe",
            json!({ "name": "Soup" }),
        )
        .await;
    assert!(
        text.contains("Recipe 731 is called \"Soup\" already"),
        "{text}"
    );
}

#[tokio::test]
async fn what_the_app_would_drop_is_refused_before() {
    let gateway = Gateway::start().await;
    for (arguments, part) in [
        (json!({ "name": " " }), "needs a name"),
        (json!({ "name": "A", "prep_time": "30 minutes" }), "PT45M"),
        (json!({ "name": "A", "recipe_yield": 0 }), "1 serving"),
        (json!({ "name": "A", "url": "soup.example" }), "no address"),
    ] {
        let text = gateway
            .failure(WRITE, "nc_cookbook_create_recipe", arguments)
            .await;
        assert!(text.contains(part), "{text}");
    }
    for url in ["http://127.0.0.1/x", "http://localhost/x", "recipe"] {
        let text = gateway
            .failure(WRITE, "nc_cookbook_import_recipe", json!({ "url": url }))
            .await;
        assert!(text.contains(url), "{text}");
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn an_update_sends_everything_back_with_the_id() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("A soup")));
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("")));
    gateway
        .nextcloud
        .on("PUT", SOUP, Answer::json(200, json!(731)));
    let arguments = json!({ "recipe_id": 731, "description": "" });
    let changed = gateway
        .ok(WRITE, "nc_cookbook_update_recipe", arguments)
        .await;
    assert_eq!(
        (&changed["description"], changed.get("altered")),
        (&json!(""), None)
    );
    let mut expected = soup("");
    expected["id"] = json!(731);
    let members = expected.as_object_mut().expect("an object");
    members.remove("printImage");
    members.remove("imageUrl");
    assert_eq!(gateway.nextcloud.seen()[1].json(), expected);
}

#[tokio::test]
async fn renaming_to_a_name_that_is_taken_is_refused() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("x")));
    let all = json!([
        listed(731, "Soup", Value::Null),
        listed(12, "Stew", Value::Null)
    ]);
    gateway.nextcloud.on("GET", RECIPES, Answer::json(200, all));
    let arguments = json!({ "recipe_id": 731, "name": "Stew" });
    let text = gateway
        .failure(WRITE, "nc_cookbook_update_recipe", arguments)
        .await;
    assert!(text.contains("Recipe 12"), "{text}");
    let text = gateway
        .failure(
            WRITE,
            "nc_cookbook_update_recipe",
            json!({ "recipe_id": 731 }),
        )
        .await;
    assert!(text.contains("nothing to change"), "{text}");
    assert!(
        gateway
            .nextcloud
            .seen()
            .iter()
            .all(|seen| seen.method == "GET")
    );
}

#[tokio::test]
async fn deleting_is_believed_only_when_the_recipe_is_gone() {
    let arguments = json!({ "recipe_id": 731 });
    let deleted = || Answer::json(200, json!("Recipe 731 deleted successfully"));

    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("x")));
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(404, json!(731)));
    gateway.nextcloud.on("DELETE", SOUP, deleted());
    let bin = "/remote.php/dav/trashbin/alice/trash/";
    gateway.nextcloud.on(
        "PROPFIND",
        bin,
        Answer::xml(207, r#"<d:multistatus xmlns:d="DAV:"/>"#),
    );
    let gone = gateway
        .ok(WRITE, "nc_cookbook_delete_recipe", arguments.clone())
        .await;
    assert_eq!(
        gone,
        json!({ "recipe_id": 731, "name": "Soup", "deleted": true, "in_trash_bin": true })
    );

    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("x")));
    gateway.nextcloud.on("DELETE", SOUP, deleted());
    let text = gateway
        .failure(WRITE, "nc_cookbook_delete_recipe", arguments.clone())
        .await;
    assert!(text.contains("still there"), "{text}");

    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(404, json!(731)));
    let none = gateway
        .ok(WRITE, "nc_cookbook_delete_recipe", arguments)
        .await;
    assert_eq!(none, json!({ "recipe_id": 731, "deleted": false }));
    assert_eq!(gateway.nextcloud.seen().len(), 1);
}

#[tokio::test]
async fn a_search_survives_being_decoded_twice() {
    for (query, path) in [
        ("soup", "soup"),
        ("Käse & Brot", "K%C3%A4se%20%26%20Brot"),
        ("50%+1/2", "50%2525%252B1%252F2"),
    ] {
        let gateway = Gateway::start().await;
        let found = json!([listed(731, "Soup", Value::Null)]);
        gateway.nextcloud.on(
            "GET",
            &format!("{API}/search/{path}"),
            Answer::json(200, found),
        );
        let found = gateway
            .ok(
                READ,
                "nc_cookbook_search_recipes",
                json!({ "query": query }),
            )
            .await;
        assert_eq!(found["recipes"][0]["id"], 731, "{query}");
        assert_eq!(found["recipes"][0]["keywords"], "");
    }
    let gateway = Gateway::start().await;
    let text = gateway
        .failure(READ, "nc_cookbook_search_recipes", json!({ "query": " " }))
        .await;
    assert!(text.contains("nc_cookbook_list_recipes"), "{text}");
}

#[tokio::test]
async fn recipes_by_keyword_are_found_where_the_app_finds_none() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        &format!("{API}/tags/soup%2Clab"),
        Answer::json(200, json!([])),
    );
    let all = json!([
        listed(1, "Both", json!("lab,soup")),
        listed(2, "One", json!("soup")),
        listed(3, "None", Value::Null),
    ]);
    gateway.nextcloud.on("GET", RECIPES, Answer::json(200, all));
    let arguments = json!({ "keywords": ["soup", "lab"] });
    let found = gateway
        .ok(READ, "nc_cookbook_get_recipes_with_keywords", arguments)
        .await;
    assert_eq!(
        (&found["total"], &found["recipes"][0]["name"]),
        (&json!(1), &json!("Both"))
    );
    assert!(
        found["note"]
            .as_str()
            .is_some_and(|note| note.contains("looking through")),
        "{found}"
    );

    let gateway = Gateway::start().await;
    let found = json!([listed(1, "Both", json!("lab"))]);
    gateway
        .nextcloud
        .on("GET", &format!("{API}/tags/lab"), Answer::json(200, found));
    let found = gateway
        .ok(
            READ,
            "nc_cookbook_get_recipes_with_keywords",
            json!({ "keywords": ["lab"] }),
        )
        .await;
    assert_eq!(
        (found.get("note"), gateway.nextcloud.seen().len()),
        (None, 1)
    );
}

#[tokio::test]
async fn lists_are_cut_and_categories_counted() {
    let gateway = Gateway::start().await;
    let all: Value = (1..=3).map(|id| listed(id, "x", Value::Null)).collect();
    gateway.nextcloud.on("GET", RECIPES, Answer::json(200, all));
    let page = gateway
        .ok(READ, "nc_cookbook_list_recipes", json!({ "limit": 2 }))
        .await;
    assert_eq!(
        (&page["total"], &page["next_offset"]),
        (&json!(3), &json!(2))
    );

    let counted = json!([{ "name": "*", "recipe_count": 2 }, { "name": "Soups & more", "recipe_count": "1" }]);
    gateway.nextcloud.on(
        "GET",
        &format!("{API}/categories"),
        Answer::json(200, counted),
    );
    let categories = gateway
        .ok(READ, "nc_cookbook_list_categories", json!({}))
        .await;
    assert_eq!(
        categories,
        json!({ "categories": [{ "name": "Soups & more", "recipe_count": 1 }], "uncategorised": 2 })
    );
    for (category, path) in [("*", "_"), ("Soups & more", "Soups%20%26%20more")] {
        let place = format!("{API}/category/{path}");
        gateway.nextcloud.on(
            "GET",
            &place,
            Answer::json(200, json!([listed(1, "x", Value::Null)])),
        );
        let found = gateway
            .ok(
                READ,
                "nc_cookbook_get_recipes_in_category",
                json!({ "category": category }),
            )
            .await;
        assert_eq!(found["total"], 1, "{category}");
    }
}

#[tokio::test]
async fn a_page_is_imported_or_the_reason_told() {
    let url = "https://example.org/soup?id=1";
    let import = format!("{API}/import");
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("POST", &import, Answer::json(200, soup("Imported")));
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("Imported")));
    let made = gateway
        .ok(WRITE, "nc_cookbook_import_recipe", json!({ "url": url }))
        .await;
    assert_eq!(
        (&made["id"], &made["description"]),
        (&json!(731), &json!("Imported"))
    );
    assert_eq!(gateway.nextcloud.seen()[0].json(), json!({ "url": url }));

    for (answer, part) in [
        (
            Answer::json(400, json!("Could not find recipe element")),
            "It says: \"Could not find recipe element\"",
        ),
        (
            Answer::json(
                409,
                json!({ "msg": "Another recipe with that name already exists" }),
            ),
            "there already",
        ),
    ] {
        let gateway = Gateway::start().await;
        gateway.nextcloud.on("POST", &import, answer);
        let text = gateway
            .failure(WRITE, "nc_cookbook_import_recipe", json!({ "url": url }))
            .await;
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn settings_are_changed_and_shown() {
    let gateway = Gateway::start().await;
    let config = format!("{API}/config");
    gateway
        .nextcloud
        .on("POST", &config, Answer::json(200, json!("OK")));
    let now = json!({ "folder": "/Food/My Recipes", "update_interval": 5, "print_image": true, "visibleInfoBlocks": {} });
    gateway.nextcloud.on("GET", &config, Answer::json(200, now));
    let set = gateway
        .ok(
            WRITE,
            "nc_cookbook_set_config",
            json!({ "folder": "Food/My Recipes/" }),
        )
        .await;
    assert_eq!(set["folder"], "/Food/My Recipes");
    assert_eq!(
        gateway.nextcloud.seen()[0].json(),
        json!({ "folder": "/Food/My Recipes" })
    );
    for arguments in [json!({}), json!({ "folder": "../x" })] {
        gateway
            .failure(WRITE, "nc_cookbook_set_config", arguments)
            .await;
    }
    let reindex = format!("{API}/reindex");
    gateway.nextcloud.on(
        "POST",
        &reindex,
        Answer::json(200, json!("Search index rebuilt successfully")),
    );
    let done = gateway.ok(WRITE, "nc_cookbook_reindex", json!({})).await;
    assert_eq!(done["message"], "Search index rebuilt successfully");
}

#[tokio::test]
async fn resources_give_the_version_the_settings_and_a_recipe() {
    let gateway = Gateway::start().await;
    let version = json!({ "cookbook_version": [0, 11, 8], "api_version": { "major": 1 } });
    gateway.nextcloud.on(
        "GET",
        "/index.php/apps/cookbook/api/version",
        Answer::json(200, version),
    );
    gateway.nextcloud.on(
        "GET",
        &format!("{API}/config"),
        Answer::json(200, json!({ "folder": "/Recipes" })),
    );
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(200, soup("A soup")));
    for (uri, part) in [
        ("cookbook://version", "cookbook_version"),
        ("cookbook://config", "/Recipes"),
        ("nc://Cookbook/731", "A soup"),
    ] {
        let reply = gateway
            .rpc(READ, "resources/read", json!({ "uri": uri }))
            .await;
        let text = reply.body["result"]["contents"][0]["text"]
            .as_str()
            .expect("text");
        assert!(text.contains(part), "{uri}: {text}");
        let refused = gateway
            .rpc(WRITE, "resources/read", json!({ "uri": uri }))
            .await;
        assert_eq!(refused.status, 403, "{uri}");
    }
}

#[tokio::test]
async fn a_missing_app_and_a_missing_recipe_are_told_apart() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", SOUP, Answer::json(404, json!(731)));
    let text = gateway
        .failure(READ, "nc_cookbook_get_recipe", json!({ "recipe_id": 731 }))
        .await;
    assert!(text.contains("Recipe 731 does not exist"), "{text}");
    gateway.nextcloud.on(
        "GET",
        RECIPES,
        Answer::text(404, "text/html; charset=UTF-8", "<html>"),
    );
    let text = gateway
        .failure(READ, "nc_cookbook_list_recipes", json!({}))
        .await;
    assert!(text.contains("Cookbook app is not installed"), "{text}");
}
