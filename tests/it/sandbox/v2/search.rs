//! Pages, order and search of media.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::stand::{Stand, encode, text};
use super::{media, refusal};

async fn titled(stand: &Stand, title: &str, external_id: &str) -> String {
    let body = json!({"metadata": {"title": title, "external_id": external_id}});
    text(&media(stand, "POST", "/", body).await.body["id"])
}

async fn list(stand: &Stand, query: &str) -> (u64, Vec<String>) {
    let answer = media(stand, "GET", &format!("/?{query}"), Value::Null).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let ids = answer.body["media"].as_array().unwrap();
    let ids = ids.iter().map(|media| text(&media["id"])).collect();
    (answer.body["total"].as_u64().unwrap(), ids)
}

#[tokio::test]
async fn pages_come_newest_first_unless_another_order_is_asked_for() {
    let stand = Stand::start().await;
    let mut made = Vec::new();
    for number in 0..12 {
        made.push(titled(&stand, &format!("t{number:02}"), "x").await);
    }
    let newest: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(list(&stand, "").await, (12, newest[..10].to_vec()));
    assert_eq!(list(&stand, "page=2").await, (12, newest[10..].to_vec()));
    assert_eq!(list(&stand, "page=3&page_length=5").await.1, newest[10..]);
    assert_eq!(list(&stand, "page=4&page_length=5").await, (12, Vec::new()));
    assert_eq!(
        list(&stand, "sort=title:asc&page_length=2").await.1,
        made[..2]
    );
    let wide = media(&stand, "GET", "?page_length=10000", Value::Null)
        .await
        .body;
    assert_eq!(
        (&wide["page"], &wide["page_length"]),
        (&json!(1), &json!(10_000))
    );
}

#[tokio::test]
async fn what_is_not_a_page_or_a_query_is_refused() {
    let stand = Stand::start().await;
    for query in [
        "page=0",
        "page=x",
        "page_length=0",
        "page_length=10001",
        "page=11&page_length=1000",
        "sort=created:desc",
        "sort=colour:asc",
        "q=",
        "q=loose",
        "q=custom_params.k:x",
        "q=title:%22open",
        "q=%zz",
    ] {
        let answer = media(&stand, "GET", &format!("/?{query}"), Value::Null).await;
        assert_eq!(
            refusal(&answer),
            (400, "invalid_parameter".to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_search_finds_words_and_so_more_than_was_asked_for() {
    let stand = Stand::start().await;
    let exact = titled(&stand, "Harbour", "ING-7-a").await;
    let near = titled(&stand, "Harbour at Night", "ing 7 a b").await;
    let other = titled(&stand, "Day", "ing-8").await;
    let find = async |q: &str| {
        let mut ids = list(&stand, &format!("sort=created:asc&q={}", encode(q)))
            .await
            .1;
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<&String>| {
        ids.sort();
        ids.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        find("external_id:\"ing-7-a\"").await,
        sorted(vec![&exact, &near])
    );
    assert_eq!(
        find("external_id:ing-7").await,
        sorted(vec![&exact, &near, &other])
    );
    assert_eq!(find("title:harbour AND title:night").await, [near]);
    assert_eq!(
        find("created:[2021-01-01 TO *] AND status:created")
            .await
            .len(),
        3
    );
    assert!(find("created:[* TO 2021-01-01]").await.is_empty());
}

#[tokio::test]
async fn the_index_lags_and_the_plain_list_does_not() {
    let stand = Stand::with(|options| options.search_lag = Duration::from_mins(1)).await;
    let id = titled(&stand, "x", "ing-1").await;
    assert_eq!(list(&stand, "").await, (1, vec![id.clone()]));
    assert_eq!(
        list(&stand, "q=external_id:%22ing-1%22").await,
        (0, Vec::new())
    );
    stand.advance(60).await;
    assert_eq!(
        list(&stand, "q=external_id:%22ing-1%22").await,
        (1, vec![id])
    );
}
