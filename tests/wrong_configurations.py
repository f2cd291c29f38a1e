"""Wrong configurations, as YAML, each with the one line that must report it.

A comment says what some of them led to before they were checked.
"""

A_COUNT = "an integer >= 1 and <= 512"
A_SHARE = "a number >= 0 and <= 1"
N_COMPONENTS = "an integer >= 1 and <= 2048 or a number > 0 and < 1"
A_PATH = "a path of printable characters, without any of { } < >"
A_SOURCE = "one of coco-minitrain, coco-val2017, folder, openpeople"
A_TEXT = "a text that is not empty"
A_FILE = "an existing file"
A_FOLDER = "an existing directory"
PERSON_IDS = "a list, each an integer >= 0 and <= 999999999999999, no two alike"
PERSON_ID = "an integer >= 0 and <= 999999999999999"
NEW_IDS = (
    "person ids have at most 15 digits now; run without it, and take the person's new id from the"
    " report or from index/persons.parquet"
)
BUNDLED = "detector: {name: ssdlite_mobilenet_v2_person"
A_USER = "a user of this machine after ~; for a file of that name write ./~nobody-here"
SET = "variables that are set, and NOT_SET is not; set it or write the path"
LONG = "x" * 5000
A_BOX = "a box of left, top, width and height after the path, in quotes: "

# YAML: the key and value as the line shows them, and what is expected instead.
NOT_ALLOWED: dict[str, tuple[str, str]] = {
    # Types.
    "shards: four": ("shards: 'four'", A_COUNT),
    "shards: 2.0": ("shards: 2.0", A_COUNT),
    "shards: true": ("shards: True", A_COUNT),
    "shards: null": ("shards: None", A_COUNT),
    "shards: [2]": ("shards: [2]", A_COUNT),
    "shards: 2026-11-23": ("shards: datetime.date(2026, 11, 23)", A_COUNT),
    "shards: !!binary aGVsbG8=": ("shards: b'hello'", A_COUNT),
    "dataset: []": ("dataset: []", "a section of keys"),
    "dataset: folder": ("dataset: 'folder'", "a section of keys"),
    "dataset: {source: 5}": ("dataset.source: 5", A_SOURCE),
    "dataset: {folder: 3}": ("dataset.folder: 3", "a section of keys"),
    "dataset: {max_images: 5.5}": ("dataset.max_images: 5.5", "an integer >= 1 or null"),
    "search: {same_image: perhaps}": ("search.same_image: 'perhaps'", "true or false"),
    "search: {same_image: 1}": ("search.same_image: 1", "true or false"),
    "search_set: {min_height: tall}": ("search_set.min_height: 'tall'", "a number >= 1"),
    "search_set: {min_score: true}": ("search_set.min_score: True", A_SHARE),
    "report: {title: 5}": ("report.title: 5", A_TEXT),
    "embedding: {size: [256]}": (
        "embedding.size: [256]",
        "a list of 2, each an integer >= 32 and <= 1024",
    ),
    "embedding: {size: {height: 1}}": (
        "embedding.size: {'height': 1}",
        "a list of 2, each an integer >= 32 and <= 1024",
    ),
    "queries: {images: me.jpg}": (
        "queries.images: 'me.jpg'",
        "a list, each a text that is not empty",
    ),
    "queries: {persons: [true]}": ("queries.persons.0: True", PERSON_ID),
    "queries: {persons: [1, 1]}": ("queries.persons: [1, 1]", PERSON_IDS),
    # Ranges.
    "shards: 0": ("shards: 0", A_COUNT),
    "shards: 513": ("shards: 513", A_COUNT),
    "dataset: {max_images: 0}": ("dataset.max_images: 0", "an integer >= 1 or null"),
    "dataset: {max_skipped_fraction: 1.5}": ("dataset.max_skipped_fraction: 1.5", A_SHARE),
    "dataset: {coco: {annotations_sha256: abc}}": (
        "dataset.coco.annotations_sha256: 'abc'",
        "a text like ^[0-9a-f]{64}$ or null",
    ),
    "detector: {weights: ''}": ("detector.weights: ''", A_TEXT),
    "embedding: {size: [16, 64]}": ("embedding.size.0: 16", "an integer >= 32 and <= 1024"),
    "reduction: {n_components: 0}": ("reduction.n_components: 0", N_COMPONENTS),
    "reduction: {n_components: 1.0}": ("reduction.n_components: 1.0", N_COMPONENTS),
    "reduction: {n_components: 64.5}": ("reduction.n_components: 64.5", N_COMPONENTS),
    "reduction: {whiten_power: -1}": ("reduction.whiten_power: -1", A_SHARE),
    "reduction: {fit_persons: 1}": ("reduction.fit_persons: 1", "an integer >= 2"),
    "index: {target_recall: 0}": ("index.target_recall: 0", "a number > 0 and <= 1"),
    "index: {seed: 1099511627776}": (
        "index.seed: 1099511627776",
        "an integer >= 0 and <= 2147483647",
    ),
    "search: {neighbours: 0}": ("search.neighbours: 0", "an integer >= 1 and <= 1000"),
    "search: {neighbours: 1001}": ("search.neighbours: 1001", "an integer >= 1 and <= 1000"),
    "queries: {persons: [-1]}": ("queries.persons.0: -1", PERSON_ID),
    # As a spreadsheet shows, and copies, an id in a column of its own choice of width.
    "queries: {persons: [1.89395E+14]}": ("queries.persons.0: 189395000000000.0", PERSON_ID),
    # An id of before they had at most 15 digits: a spreadsheet made 8123456789012350 of it.
    "queries: {persons: [8123456789012345]}": (
        "queries.persons.0: 8123456789012345",
        f"{PERSON_ID}; {NEW_IDS}",
    ),
    # Was accepted, and the job made a picture of a million pixels a side.
    "detector: {min_size: 1000000}": (
        "detector.min_size: 1000000",
        "an integer >= 64 and <= 10000 or null",
    ),
    # Was accepted: NaN is neither below nor above a limit.
    "search_set: {min_score: .nan}": ("search_set.min_score: nan", A_SHARE),
    "search_set: {min_height: .inf}": ("search_set.min_height: inf", "a number >= 1"),
    "reduction: {n_components: .nan}": ("reduction.n_components: nan", N_COMPONENTS),
    "index: {target_recall: '.nan'}": ("index.target_recall: nan", "a number > 0 and <= 1"),
    "dataset: {backoff_seconds: -.inf}": (
        "dataset.backoff_seconds: -inf",
        "a number >= 0 and <= 60",
    ),
    # Names.
    "dataset: {source: imagenet}": ("dataset.source: 'imagenet'", A_SOURCE),
    "dataset: {category: persn}": ("dataset.category: 'persn'", "one of person, bicycle"),
    "detector: {name: yolo}": ("detector.name: 'yolo'", "one of fasterrcnn_resnet50_fpn"),
    "index: {backend: scann}": ("index.backend: 'scann'", "one of annoy, exact, faiss"),
    # It was one until faiss took its place.
    "index: {backend: hnsw}": (
        "index.backend: 'hnsw'",
        "one of annoy, exact, faiss; faiss has replaced hnsw: run pip "
        "install -r requirements-faiss.txt",
    ),
    'dataset: {source: "a\\nb"}': (r"dataset.source: 'a\nb'", A_SOURCE),
    # Was accepted, and could not be written into the report.
    'report: {title: "\\ud800"}': (r"report.title: '\ud800'", A_TEXT),
    # Ended in pathlib's exception.
    "dataset: {source: folder, folder: {path: ~nobody-here/p}}": (
        "dataset.folder.path: '~nobody-here/p'",
        A_USER,
    ),
    f"queries: {{images: [{LONG}]}}": (
        f"queries.images: '{LONG[:147]}...{LONG[:148]}'",
        "the path of an existing picture",
    ),
    # Missing files and folders, and files of the wrong kind.
    "dataset: {source: folder}": ("dataset.folder.path: None", "a directory of pictures"),
    "dataset: {source: folder, folder: {path: /no/such}}": (
        "dataset.folder.path: '/no/such'",
        A_FOLDER,
    ),
    "dataset: {source: folder, folder: {path: config/config.yaml}}": (
        "dataset.folder.path: 'config/config.yaml'",
        A_FOLDER,
    ),
    "dataset: {source: folder, folder: {path: config, annotations: no.json}}": (
        "dataset.folder.annotations: 'no.json'",
        A_FILE,
    ),
    "dataset: {source: folder, folder: {path: config, annotations: ''}}": (
        "dataset.folder.annotations: ''",
        "a text that is not empty or null",
    ),
    "dataset: {source: folder, folder: {path: config, keypoints: no.json}}": (
        "dataset.folder.keypoints: 'no.json'",
        A_FILE,
    ),
    "detector: {weights: /no/such.pth}": (
        "detector.weights: '/no/such.pth'",
        "an existing weights file",
    ),
    "detector: {precision: int8, device: cuda}": (
        "detector.precision: 'int8'",
        "auto, fp32 or bf16, as detector.device is cuda",
    ),
    "detector: {precision: int8, runtime: torch}": (
        "detector.precision: 'int8'",
        "auto, fp32 or bf16, as detector.runtime is torch",
    ),
    "detector: {precision: int8, name: rtdetr_r50vd}": (
        "detector.precision: 'int8'",
        "auto, fp32 or bf16, as detector.name is rtdetr_r50vd",
    ),
    "detector: {runtime: openvino, device: cuda}": (
        "detector.runtime: 'openvino'",
        "auto or torch, as detector.device is cuda",
    ),
    "detector: {runtime: openvino, precision: fp16}": (
        "detector.precision: 'fp16'",
        "auto, fp32, bf16 or int8, as detector.runtime is openvino",
    ),
    "detector: {weights: ./config}": (
        "detector.weights: './config'",
        "an existing weights file",
    ),
    "queries: {images: [no.jpg]}": (
        "queries.images: 'no.jpg'",
        "the path of an existing picture",
    ),
    'queries: {images: ["a\\0b"]}': (
        r"queries.images: 'a\x00b'",
        "the path of an existing picture",
    ),
    "queries: {images: ['{a}.jpg']}": (
        "queries.images: '{a}.jpg'",
        "a path without any of { } < >",
    ),
    # As `--config` passes the first of a box without quotes.
    'queries: {images: ["no.jpg#xywh=1"]}': ("queries.images: 'no.jpg#xywh=1'", A_BOX),
    'queries: {images: ["no.jpg#xywh=1,2,3,4"]}': (
        "queries.images: 'no.jpg#xywh=1,2,3,4'",
        "the path of an existing picture",
    ),
    **{
        f'queries: {{images: ["README.md#xywh={box}"]}}': (
            f"queries.images: 'README.md#xywh={box}'",
            A_BOX,
        )
        for box in (
            "",
            "1,2,3",
            "1,2,0,4",
            "1,2,3,-4",
            "1,2,3,4,5",
            "a,b,c,d",
            "cm:1,2,3,4",
            "1e3,2,3,4",
        )
    },
    **{
        f"dataset: {{source: folder, folder: {{path: config, exclude: ['{pattern}']}}}}": (
            f"dataset.folder.exclude: {pattern!r}",
            "a name or path within dataset.folder.path with forward slashes, such as private, "
            "2019/private or *.png",
        )
        for pattern in ("/pictures/private", "../private", "2019\\private", "2019//private", "./")
    },
    "dataset: {folder: {exclude: [private]}}": (
        "dataset.folder.exclude: ['private']",
        "[], as dataset.source is 'coco-minitrain'",
    ),
    # Only a job noticed these five.
    "dataset: {coco: {annotations: no.zip}}": (
        "dataset.coco.annotations: 'no.zip'",
        f"a URL, or {A_FILE}",
    ),
    "dataset: {coco: {definition: no.json}}": (
        "dataset.coco.definition: 'no.json'",
        f"a URL, or {A_FILE}",
    ),
    "dataset: {coco: {images: no-folder}}": (
        "dataset.coco.images: 'no-folder'",
        f"a URL, or {A_FOLDER}",
    ),
    "dataset: {coco: {images: ''}}": (
        "dataset.coco.images: ''",
        "a text that is not empty or null",
    ),
    "dataset: {coco: {annotations_sha256: null}}": (
        "dataset.coco.annotations_sha256: None",
        "the sha256 of the file at the URL that dataset.coco.annotations is",
    ),
    "dataset: {coco: {keypoints: no.json}}": ("dataset.coco.keypoints: 'no.json'", A_FILE),
    # Contradictions to another key.
    "dataset: {folder: {path: config}}": (
        "dataset.folder.path: 'config'",
        "null, as dataset.source is 'coco-minitrain'",
    ),
    "dataset: {folder: {keypoints: k.json}}": (
        "dataset.folder.keypoints: 'k.json'",
        "null, as dataset.source is 'coco-minitrain'",
    ),
    "dataset: {folder: {category: people}}": (
        "dataset.folder.category: 'people'",
        "null, as dataset.source is 'coco-minitrain'",
    ),
    "dataset: {source: folder, folder: {path: config, category: people}}": (
        "dataset.folder.category: 'people'",
        "null, as dataset.folder.annotations is null",
    ),
    "dataset: {source: folder, folder: {path: config, keypoints: config/config.yaml}}": (
        "dataset.folder.keypoints: 'config/config.yaml'",
        "null, as dataset.folder.annotations is null",
    ),
    f"dataset: {{category: dog}}\n{BUNDLED}}}": (
        "dataset.category: 'dog'",
        "person, which is all that detector ssdlite_mobilenet_v2_person knows",
    ),
    f"{BUNDLED}, weights: COCO_V1}}": (
        "detector.weights: 'COCO_V1'",
        "default, as detector ssdlite_mobilenet_v2_person brings its own",
    ),
    "index: {backend: exact, n_trees: 3}": ("index.n_trees: 3", "null, as index.backend is exact"),
    "{explorer: {own_pictures: true}, embedding: {region: roi_align_last}}": (
        "explorer.own_pictures: True",
        "false, as embedding.region is roi_align_last",
    ),
    "search: {rerank: 20, neighbours: 50}": (
        "search.rerank: 20",
        "0, or 50 or more, as search.neighbours is",
    ),
    "embedding: {maps: before}": ("embedding.maps: 'before'", "one of last, both"),
    "queries: {count: 0}": (
        "queries.count: 0",
        "an integer >= 1, as queries.persons and queries.images are empty",
    ),
    # Folders of outputs. The first four ended in exceptions of Snakemake; the last made a folder
    # of that name.
    "pathvars: {results: '{a}'}": ("pathvars.results: '{a}'", A_PATH),
    "pathvars: {results: a<b>}": ("pathvars.results: 'a<b>'", A_PATH),
    'pathvars: {results: "a\\0b"}': (r"pathvars.results: 'a\x00b'", A_PATH),
    "pathvars: {results: config/config.yaml/x}": (
        "pathvars.results: 'config/config.yaml/x'",
        "a directory, or a path where one can be made",
    ),
    "pathvars: {logs: '<results>/{x}'}": ("pathvars.logs: '<results>/{x}'", A_PATH),
    'pathvars: {results: "a\\nb"}': (r"pathvars.results: 'a\nb'", A_PATH),
    "pathvars: {results: ''}": ("pathvars.results: ''", A_TEXT),
    # Paths in which something cannot be expanded. Was a folder of that name, or a missing file.
    "pathvars: {results: ~nobody-here/results}": (
        "pathvars.results: '~nobody-here/results'",
        A_USER,
    ),
    "pathvars: {results: $NOT_SET/results}": (
        "pathvars.results: '$NOT_SET/results'",
        SET,
    ),
    "dataset: {source: folder, folder: {path: '${NOT_SET}'}}": (
        "dataset.folder.path: '${NOT_SET}'",
        SET,
    ),
    "queries: {images: [$NOT_SET/me.jpg]}": (
        "queries.images: '$NOT_SET/me.jpg'",
        SET,
    ),
}


# Each anchor holds the previous one nine times, which makes a billion values.
BILLION = "&a [x], " + ", ".join(
    f"&{name} [{', '.join([f'*{before}'] * 9)}]"
    for name, before in zip("bcdefghij", "abcdefghi", strict=True)
)
UNKNOWN = "unknown key; allowed here: "
TOP = f"{UNKNOWN}pathvars, shards, dataset, detector, search_set"
TOO_LARGE = "more than 100,000 values, or nested too deeply; write less"

# YAML: the start of its line.
OTHERS: dict[str, str] = {
    "datset: {source: folder}": f"datset: {TOP}",
    "shard: 3": f"shard: {TOP}",
    "dataset: {folder: {pth: x}}": f"dataset.folder.pth: {UNKNOWN}path, annotations, category",
    "queries: {nmber: 5}": f"queries.nmber: {UNKNOWN}count, strategy",
    "pathvars: {reslts: x}": f"pathvars.reslts: {UNKNOWN}results, logs, benchmarks",
    "null: 1": f"None: {TOP}",
    "7: 1": f"7: {TOP}",
    "true: 1": f"True: {TOP}",
    # Was two lines.
    '"a\\nb": 1': rf"'a\nb': {TOP}",
    # Python refuses to write a number this long, as jsonschema's message would.
    f"shards: 0x{'f' * 9000}": "shards: an integer of more than 64 bits is not allowed",
    f"queries: {{seed: {10**40}}}": "queries.seed: an integer of more than 64 bits is not allowed",
    # Printed 226 megabytes.
    f"shards: [{BILLION}]": f"shards: {TOO_LARGE}",
    f"shards: {'[' * 200}{']' * 200}": f"shards: {TOO_LARGE}",
}

# YAML: the line that must report it.
WRONG: dict[str, str] = {
    **{
        text: f"{given} is not allowed; expected {expected}"
        for text, (given, expected) in NOT_ALLOWED.items()
    },
    **OTHERS,
}
