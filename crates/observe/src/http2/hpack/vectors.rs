//! The worked examples of RFC 7541, appendix C: fields and table after every block.

use super::decoder::Decoder;
use flow::http::Field;

const NO_FIELDS: &str = "";

/// Decodes `blocks`, each given in hex with the fields that it holds and the dynamic table and its
/// size behind it, newest entry first. Lists have one `name: value` per line.
#[track_caller]
fn check(table_size: &str, blocks: &[(&str, &str, &str, usize)]) {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decoder.decode(&bytes(table_size)), Ok(Vec::new()));
    for (number, (block, fields, table, size)) in blocks.iter().enumerate() {
        assert_eq!(decoder.decode(&bytes(block)), Ok(list(fields)), "block {number}");
        let (entries, entries_size) = decoder.dynamic_table();
        assert_eq!((entries, entries_size), (list(table), *size), "table after block {number}");
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn list(lines: &str) -> Vec<Field> {
    let field = |line: &str| {
        let (name, value) = line.trim().rsplit_once(": ").unwrap();
        Field { name: name.to_owned().into(), value: value.to_owned().into() }
    };
    lines.lines().map(field).collect()
}

#[test]
fn c_2_single_fields() {
    check(
        "",
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key: custom-header",
            "custom-key: custom-header",
            55,
        )],
    );
    check(
        "",
        &[
            ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", NO_FIELDS, 0),
            ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", NO_FIELDS, 0),
            ("82", ":method: GET", NO_FIELDS, 0),
        ],
    );
}

const REQUEST_1: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com";
const REQUEST_2: &str =
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache";
const REQUEST_3: &str = ":method: GET\n:scheme: https\n:path: /index.html\n\
    :authority: www.example.com\ncustom-key: custom-value";
const REQUEST_TABLE_1: &str = ":authority: www.example.com";
const REQUEST_TABLE_2: &str = "cache-control: no-cache\n:authority: www.example.com";
const REQUEST_TABLE_3: &str =
    "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com";

#[test]
fn c_3_requests() {
    check(
        "",
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUEST_1, REQUEST_TABLE_1, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUEST_2, REQUEST_TABLE_2, 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                REQUEST_3,
                REQUEST_TABLE_3,
                164,
            ),
        ],
    );
}

#[test]
fn c_4_requests_with_huffman_coding() {
    check(
        "",
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUEST_1, REQUEST_TABLE_1, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUEST_2, REQUEST_TABLE_2, 110),
            (
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                REQUEST_3,
                REQUEST_TABLE_3,
                164,
            ),
        ],
    );
}

/// An instruction to use a table of 256 bytes, as the examples do.
const TABLE_OF_256: &str = "3fe1 01";

const RESPONSE_1: &str = ":status: 302\ncache-control: private\n\
    date: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
const RESPONSE_2: &str = ":status: 307\ncache-control: private\n\
    date: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
const RESPONSE_3: &str = ":status: 200\ncache-control: private\n\
    date: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n\
    content-encoding: gzip\n\
    set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSE_TABLE_1: &str = "location: https://www.example.com\n\
    date: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private\n:status: 302";
const RESPONSE_TABLE_2: &str = ":status: 307\nlocation: https://www.example.com\n\
    date: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private";
const RESPONSE_TABLE_3: &str = "\
    set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n\
    content-encoding: gzip\ndate: Mon, 21 Oct 2013 20:13:22 GMT";

#[test]
fn c_5_responses_with_eviction() {
    check(
        TABLE_OF_256,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
                 6c65 2e63 6f6d",
                RESPONSE_1,
                RESPONSE_TABLE_1,
                222,
            ),
            ("4803 3330 37c1 c0bf", RESPONSE_2, RESPONSE_TABLE_2, 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
                 3d31",
                RESPONSE_3,
                RESPONSE_TABLE_3,
                215,
            ),
        ],
    );
}

#[test]
fn c_6_responses_with_huffman_coding_and_eviction() {
    check(
        TABLE_OF_256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                RESPONSE_1,
                RESPONSE_TABLE_1,
                222,
            ),
            ("4883 640e ffc1 c0bf", RESPONSE_2, RESPONSE_TABLE_2, 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                RESPONSE_3,
                RESPONSE_TABLE_3,
                215,
            ),
        ],
    );
}
