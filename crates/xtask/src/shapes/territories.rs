//! Land that the map does not give to one country, or does not draw: its name, who holds or claims
//! it, and where it lies.
//!
//! The rule: a country's land is what the map draws as its own, and every territory below in whose
//! row it stands, be it as holder or as claimant. A claim to a whole territory that has an ISO
//! 3166-1 code of its own does not count (CN to TW, AR to FK, ES to GI, …): the codes are kept
//! apart. Boxes are drawn around a territory by hand, never smaller than it is, so the distance to
//! one is at most the distance to the territory: that can only weaken an exclusion.
//!
//! Sources: who holds and claims what follows "Disputes - international", "Military and Security" and
//! "Dependency status" of the CIA World Factbook (public domain, editions of 2020 to 2022); the
//! map's own policy is <https://www.naturalearthdata.com/about/disputed-boundaries-policy/>.

/// One territory.
pub(crate) struct Territory {
    pub(crate) name: &'static str,
    /// Alpha-2 codes of those who hold or claim it, in order.
    pub(crate) parties: &'static str,
    pub(crate) extent: Extent,
}

/// Where it lies.
pub(crate) enum Extent {
    /// The map draws it under this name, without a code.
    Drawn(&'static str),
    /// South, west, north, east, in degrees.
    Box([f64; 4]),
}

/// Features that the map draws without a code though they are part of one country.
pub(crate) const OF_ONE_COUNTRY: &[(&str, &str)] = &[
    ("Clipperton I.", "FR"),
    ("Coral Sea Is.", "AU"),
    // The user-assigned code under which databases know it. Also a territory, for RS.
    ("Kosovo", "XK"),
];

const fn drawn(name: &'static str, parties: &'static str) -> Territory {
    Territory { name, parties, extent: Extent::Drawn(name) }
}

const fn boxed(name: &'static str, parties: &'static str, sides: [f64; 4]) -> Territory {
    Territory { name, parties, extent: Extent::Box(sides) }
}

pub(crate) const TERRITORIES: &[Territory] = &[
    // Drawn without a code.
    drawn("Akrotiri", "CY GB"),
    drawn("Baikonur", "KZ RU"),
    drawn("Bajo Nuevo Bank", "CO HN JM NI US"),
    drawn("Cyprus U.N. Buffer Zone", "CY TR"),
    drawn("Dhekelia", "CY GB"),
    drawn("Indian Ocean Ter.", "AU CC CX"),
    drawn("Kosovo", "RS XK"),
    drawn("N. Cyprus", "CY TR"),
    drawn("Scarborough Reef", "CN PH TW"),
    drawn("Serranilla Bank", "CO HN JM NI US"),
    drawn("Siachen Glacier", "IN PK"),
    drawn("Somaliland", "SO"),
    drawn("Spratly Is.", "BN CN MY PH TW VN"),
    drawn("USNB Guantanamo Bay", "CU US"),
    // Spratly islands and outposts that the map leaves out, those nearest to each shore. All are
    // claimed by CN, TW and VN.
    boxed("Spratly Island", "CN TW VN", [8.63, 111.90, 8.66, 111.94]), // held by VN
    boxed("Cuarteron Reef", "CN PH TW VN", [8.84, 112.81, 8.89, 112.86]), // held by CN
    boxed("Fiery Cross Reef", "CN PH TW VN", [9.53, 112.87, 9.57, 112.91]), // held by CN
    boxed("Amboyna Cay", "CN MY PH TW VN", [7.88, 112.91, 7.91, 112.94]), // held by VN
    boxed("Swallow Reef", "CN MY TW VN", [7.35, 113.80, 7.40, 113.85]), // held by MY
    boxed("Commodore Reef", "CN MY PH TW VN", [8.32, 115.15, 8.40, 115.30]), // held by PH
    boxed("Mischief Reef", "CN PH TW VN", [9.86, 115.48, 9.97, 115.59]), // held by CN
    // Drawn as part of one country, held or claimed by others too.
    boxed("Abkhazia", "GE RU", [42.4, 40.0, 43.7, 42.2]),
    boxed("Abu Musa and the Tunbs", "AE IR", [25.8, 54.9, 26.4, 55.4]),
    boxed("Abyei", "SD SS", [8.9, 27.1, 10.3, 29.1]),
    boxed("Aksai Chin", "CN IN", [33.7, 77.8, 36.0, 80.5]),
    boxed("Arunachal Pradesh", "CN IN", [26.6, 91.5, 29.6, 97.5]),
    boxed("Belize, south of the Sibun", "BZ GT", [15.8, -89.3, 17.6, -87.4]),
    boxed("Brazilian I.", "BR UY", [-30.3, -57.8, -30.1, -57.5]),
    boxed("Ceuta", "ES MA", [35.8, -5.5, 36.0, -5.2]),
    boxed("Crimea", "RU UA", [44.3, 32.4, 46.3, 36.8]),
    boxed("Doklam and western Bhutan", "BT CN", [26.9, 88.8, 27.9, 89.4]),
    boxed("Doumeira", "DJ ER", [12.6, 43.0, 12.8, 43.2]),
    boxed("Essequibo", "GY VE", [1.1, -61.5, 8.7, -57.9]),
    boxed("Golan Heights", "IL LB SY", [32.6, 35.5, 33.5, 36.0]),
    boxed("Gaza Strip", "IL PS", [31.2, 34.2, 31.7, 34.6]),
    boxed("Halaib and Bir Tawil", "EG SD", [21.6, 33.0, 23.3, 37.1]),
    boxed("Hans Island", "CA DK GL", [80.8, -66.7, 80.9, -66.2]),
    boxed("Ilemi Triangle", "ET KE SS", [4.1, 34.3, 5.7, 36.2]),
    boxed("Kalapani", "IN NP", [29.9, 80.4, 30.7, 81.2]),
    boxed("Kashmir", "IN PK", [32.2, 72.5, 37.1, 79.6]),
    boxed("Kuril Islands, southern", "JP RU", [43.3, 145.3, 45.7, 149.1]),
    boxed("Liancourt Rocks", "JP KR", [37.2, 131.8, 37.3, 131.9]),
    boxed("Matthew and Hunter", "FR NC VU", [-22.5, 171.2, -22.2, 172.2]),
    boxed("Melilla and the Peñones", "ES MA", [35.1, -4.5, 35.4, -2.3]),
    boxed("Nagorno-Karabakh", "AM AZ", [38.8, 46.0, 40.5, 47.4]),
    boxed("Navassa Island", "HT UM US", [18.3, -75.1, 18.5, -74.9]),
    boxed("New River Triangle", "GY SR", [1.7, -58.2, 3.7, -55.8]),
    boxed("Northern Bhutan", "BT CN", [27.7, 89.8, 28.4, 91.1]),
    boxed("Maroni and Litani headwaters", "FR GF SR", [2.1, -54.7, 3.6, -53.8]),
    boxed("Paracel Is.", "CN TW VN", [15.7, 111.1, 17.2, 112.95]),
    boxed("Sabah", "MY PH", [3.9, 115.1, 7.5, 119.4]),
    boxed("Senkaku Is.", "CN JP TW", [25.7, 123.4, 26.0, 124.6]),
    boxed("Shaksgam", "CN IN PK", [35.4, 74.7, 37.1, 77.9]),
    boxed("South Ossetia", "GE RU", [41.9, 43.2, 42.9, 44.9]),
    boxed("Southern Patagonian Ice Field", "AR CL", [-50.9, -74.0, -48.2, -72.5]),
    boxed("Ukraine, the east and south", "RU UA", [45.7, 31.4, 50.3, 40.3]),
    boxed("West Bank", "IL PS", [31.3, 34.8, 32.6, 35.6]),
    boxed("Western Sahara", "EH MA", [20.7, -17.3, 27.8, -8.6]),
    // Countries of their own by ISO 3166-1 that the map draws within another, or leaves out.
    boxed("Bonaire", "BQ NL", [11.9, -68.6, 12.4, -68.1]),
    boxed("Bouvet Island", "BV NO", [-54.6, 3.1, -54.3, 3.6]),
    boxed("French Guiana", "FR GF", [2.0, -54.7, 5.9, -51.5]),
    boxed("Guadeloupe", "FR GP", [15.8, -61.9, 16.6, -60.9]),
    boxed("Jan Mayen", "NO SJ", [70.7, -9.2, 71.3, -7.8]),
    boxed("Martinique", "FR MQ", [14.3, -61.3, 14.9, -60.7]),
    boxed("Mayotte", "FR YT", [-13.1, 44.9, -12.5, 45.4]),
    boxed("Pratas Island", "TW", [20.6, 116.6, 20.8, 117.0]),
    boxed("Réunion", "FR RE", [-21.5, 55.1, -20.8, 55.9]),
    boxed("Saba and Sint Eustatius", "BQ NL", [17.4, -63.4, 17.7, -62.9]),
    boxed("Svalbard", "NO SJ", [74.2, 10.3, 81.0, 33.7]),
    boxed("Tokelau", "NZ TK", [-9.5, -172.6, -8.5, -171.1]),
    // Islets of one country that the map leaves out, more than 10 km from what it draws of it: those
    // that were looked for and missed, surely not all. Those of CN are base points of its
    // declaration of 15 May 1996 (Law of the Sea Bulletin 32).
    boxed("Alborán", "ES", [35.9, -3.1, 36.0, -3.0]),
    boxed("Ashmore Reef", "AU", [-12.4, 122.9, -12.2, 123.2]),
    boxed("Ball's Pyramid", "AU", [-31.8, 159.2, -31.7, 159.3]),
    boxed("Bạch Long Vĩ", "VN", [20.1, 107.6, 20.2, 107.8]),
    boxed("Bounty Islands", "NZ", [-47.8, 178.9, -47.7, 179.2]),
    boxed("Browse Island", "AU", [-14.2, 123.5, -14.0, 123.6]),
    boxed("Cato Reef", "AU", [-23.3, 155.5, -23.2, 155.6]),
    boxed("Cayo Arenas", "MX", [22.1, -91.5, 22.2, -91.3]),
    boxed("Columbretes", "ES", [39.8, 0.6, 40.0, 0.8]),
    boxed("Coral Sea reefs", "AU", [-18.0, 147.5, -15.5, 156.2]),
    boxed("Curtis and Macauley", "NZ", [-30.7, -178.7, -30.1, -178.3]),
    boxed("Danjo", "JP", [31.9, 128.2, 32.1, 128.5]),
    boxed("Diego Ramírez", "CL", [-56.6, -68.9, -56.4, -68.5]),
    boxed("Dongdao and Liangxiongdi", "CN", [30.1, 122.9, 30.8, 123.2]),
    boxed("Elizabeth and Middleton", "AU", [-30.0, 159.0, -29.4, 159.2]),
    boxed("Formigas", "PT", [37.2, -24.9, 37.3, -24.7]),
    boxed("Kastellorizo", "GR", [36.0, 29.4, 36.2, 29.7]),
    boxed("Lampione", "IT", [35.5, 12.3, 35.6, 12.4]),
    boxed("Matsu", "TW", [25.9, 119.85, 26.45, 120.55]),
    boxed("Okidaitō", "JP", [24.4, 131.1, 24.5, 131.3]),
    boxed("Okinotorishima", "JP", [20.4, 136.0, 20.5, 136.2]),
    boxed("Pedra Branca", "SG", [1.3, 104.3, 1.4, 104.5]),
    boxed("Perak and Jarak", "MY", [3.9, 98.9, 5.8, 100.2]),
    boxed("Rocas Atoll", "BR", [-3.9, -33.9, -3.8, -33.7]),
    boxed("Saint Brandon", "MU", [-17.0, 59.3, -16.2, 59.8]),
    boxed("Serrana Bank", "CO", [14.1, -80.5, 14.5, -80.1]),
    boxed("Sheshan and Waikejiao", "CN", [31.4, 121.6, 33.1, 122.3]),
    boxed("Sōfugan", "JP", [29.7, 140.2, 29.9, 140.4]),
    boxed("Sula Sgeir and Rona", "GB", [59.0, -6.3, 59.2, -5.7]),
    boxed("Thổ Chu", "VN", [9.2, 103.3, 9.5, 103.6]),
    boxed("Wuqiu", "TW", [24.95, 119.4, 25.05, 119.5]),
    boxed("Yushan", "CN", [28.8, 122.1, 29.0, 122.4]),
];
