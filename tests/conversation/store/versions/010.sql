CREATE TABLE content (
    sha256 TEXT PRIMARY KEY,
    data BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE conversation (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    notebook TEXT NOT NULL,
    started_at TEXT NOT NULL,
    forked_from TEXT
);
CREATE INDEX conversation_name ON conversation (name);
CREATE TABLE turn (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT,
    thread TEXT,
    position INTEGER,
    parent_id TEXT,
    notebook TEXT NOT NULL,
    cell_id TEXT,
    cell_number INTEGER,
    key_notebook TEXT,
    sent_at TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    system TEXT,
    prompt TEXT NOT NULL,
    images TEXT NOT NULL,
    answer TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    stop_word TEXT,
    error TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd TEXT,
    cost_origin TEXT NOT NULL,
    price_date TEXT,
    first_token_s REAL,
    duration_s REAL NOT NULL,
    served_by TEXT NOT NULL,
    served_model TEXT,
    notices TEXT NOT NULL,
    ordered_by TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    body TEXT,
    body_bytes INTEGER,
    finished INTEGER NOT NULL
, zdr INTEGER NOT NULL DEFAULT 0, table_usd TEXT, unpriced TEXT NOT NULL DEFAULT '[]', answer_images TEXT NOT NULL DEFAULT '[]', sources TEXT NOT NULL DEFAULT '[]', request_key TEXT NOT NULL DEFAULT '', sample INTEGER, grid TEXT, replayed_from TEXT, options TEXT, template TEXT, rows INTEGER, blind TEXT);
CREATE INDEX turn_parent ON turn (parent_id);
CREATE INDEX turn_figures ON turn (
    sent_at, model, thread, notebook, cell_id, stop_reason, error, cost_usd, cost_origin,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens
);
CREATE INDEX turn_model ON turn (model, sent_at);
CREATE TABLE place (
    conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    key_notebook TEXT,
    cell_id TEXT,
    cell_number INTEGER,
    after_new INTEGER NOT NULL,
    says_new INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    active TEXT,
    PRIMARY KEY (conversation_id, position)
) WITHOUT ROWID;
CREATE TABLE version (
    conversation_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    turn_id TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, position, number),
    FOREIGN KEY (conversation_id, position)
        REFERENCES place (conversation_id, position) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX version_turn ON version (turn_id);
CREATE TABLE uses (
    turn_id TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL REFERENCES content (sha256),
    PRIMARY KEY (turn_id, sha256)
) WITHOUT ROWID;
CREATE INDEX uses_content ON uses (sha256);
CREATE VIRTUAL TABLE words USING fts5 (
    prompt, answer, content='turn', content_rowid='number', tokenize='unicode61'
);
CREATE TABLE part (
    sha256 TEXT NOT NULL REFERENCES content (sha256) ON DELETE CASCADE,
    needs TEXT NOT NULL,
    PRIMARY KEY (sha256, needs)
) WITHOUT ROWID;
CREATE INDEX turn_conversation ON turn (conversation_id);
CREATE TABLE reservation (
    turn_id TEXT PRIMARY KEY,
    notebook TEXT NOT NULL,
    usd TEXT NOT NULL,
    expires_at TEXT NOT NULL
) WITHOUT ROWID
;
CREATE INDEX turn_grid ON turn (grid) WHERE grid IS NOT NULL;
CREATE TABLE ballot (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    prompt_id TEXT NOT NULL,
    seed INTEGER NOT NULL,
    -- an index, or a word: without a type, each is stored as it is
    choice NOT NULL,
    note TEXT NOT NULL,
    mode TEXT NOT NULL,
    swapped_of TEXT,
    counts INTEGER NOT NULL,
    voted_at TEXT NOT NULL
);
CREATE TABLE ballot_answer (
    ballot_id TEXT NOT NULL REFERENCES ballot (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    grid TEXT NOT NULL,
    label TEXT NOT NULL,
    options TEXT NOT NULL,
    -- no reference: the turn may not be saved yet
    turn_id TEXT,
    answer_sha256 TEXT NOT NULL,
    PRIMARY KEY (ballot_id, position)
) WITHOUT ROWID;
CREATE INDEX ballot_answer_grid ON ballot_answer (grid);
CREATE INDEX ballot_answer_turn ON ballot_answer (turn_id);
CREATE TABLE row_source (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE finished_row (
    source INTEGER NOT NULL REFERENCES row_source (number),
    request_key BLOB NOT NULL,
    sample INTEGER NOT NULL,
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    model TEXT NOT NULL,
    text TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    reading TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd TEXT,
    cost_origin TEXT NOT NULL,
    price_date TEXT,
    PRIMARY KEY (source, request_key, sample)
) WITHOUT ROWID;
CREATE INDEX finished_row_name ON finished_row (name);
CREATE TABLE step (
    turn_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    data TEXT NOT NULL,
    images TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY (turn_id, number)
) WITHOUT ROWID;
CREATE INDEX turn_blind ON turn (notebook) WHERE blind IS NOT NULL;
INSERT INTO "content" VALUES('0c9037d4cbbed8d8897f9afec2c1660bd0723ba709073fa63d05c691a8a72a65',X'61206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E2061206C6F6E67207175657374696F6E20');
INSERT INTO "content" VALUES('8b7e822e25e133929709b8348b5b6a60969ba67ecdeba61e04f5bfd90fa0cee5',X'5B225C75303030306C696E6B222C6E756C6C2C7B22726F6C65223A2275736572222C22636F6E74656E74223A2273686F7274227D5D');
INSERT INTO "content" VALUES('ad91235e882292469812e16da0b8fc77075a7c6d6f8760c24be14a5c792508cf',X'89504E4700');
INSERT INTO "content" VALUES('c51a34abea95158522e67dbe086b19a3c3d410fcd6ad49d5e74b40d4aed5949a',X'5B225C75303030306C696E6B222C2238623765383232653235653133333932393730396238333438623562366136303936396261363765636465626136316530346635626664393066613063656535222C7B22726F6C65223A2275736572222C22636F6E74656E74223A225C75303030307368613235363A30633930333764346362626564386438383937663961666563326331363630626430373233626137303930373366613633643035633639316138613732613635227D5D');
INSERT INTO "conversation" VALUES('cccccccccccccccccccccccccccccccc','t','n','2026-11-27T12:00:00.000000+00:00',NULL);
INSERT INTO "part" VALUES('c51a34abea95158522e67dbe086b19a3c3d410fcd6ad49d5e74b40d4aed5949a','0c9037d4cbbed8d8897f9afec2c1660bd0723ba709073fa63d05c691a8a72a65');
INSERT INTO "part" VALUES('c51a34abea95158522e67dbe086b19a3c3d410fcd6ad49d5e74b40d4aed5949a','8b7e822e25e133929709b8348b5b6a60969ba67ecdeba61e04f5bfd90fa0cee5');
INSERT INTO "place" VALUES('cccccccccccccccccccccccccccccccc',0,'n','cell 0',0,0,0,0,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
INSERT INTO "turn" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','cccccccccccccccccccccccccccccccc',NULL,0,NULL,'',NULL,NULL,NULL,'2026-11-27T12:00:00.000000+00:00','m','/chat/completions',NULL,'a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question a long question ','[{"media_type":"image/png","sha256":"ad91235e882292469812e16da0b8fc77075a7c6d6f8760c24be14a5c792508cf","url":null,"name":"fig"}]','a glacier moves','','stop',NULL,NULL,100,20,NULL,NULL,NULL,'0.0012','reported','2026-11-20',NULL,0.0,'api',NULL,'[]','execution','681dde50c3e75fb0ca9cce8c019d56f65d398532005c6a74b1dd25c6edf196bb','{"model":"m","messages":"\u0000messages:c51a34abea95158522e67dbe086b19a3c3d410fcd6ad49d5e74b40d4aed5949a"}',409,1,0,NULL,'[]','[]','[]','',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "turn" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','cccccccccccccccccccccccccccccccc',NULL,0,NULL,'',NULL,NULL,NULL,'2026-11-27T12:00:00.000000+00:00','m','/chat/completions',NULL,'again','[]','half of an ans','','stop',NULL,NULL,100,20,NULL,NULL,NULL,'0.0012','reported','2026-11-20',NULL,0.0,'api',NULL,'[]','execution','',NULL,NULL,0,0,NULL,'[]','[]','[]','',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "uses" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','ad91235e882292469812e16da0b8fc77075a7c6d6f8760c24be14a5c792508cf');
INSERT INTO "uses" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','c51a34abea95158522e67dbe086b19a3c3d410fcd6ad49d5e74b40d4aed5949a');
INSERT INTO "version" VALUES('cccccccccccccccccccccccccccccccc',0,0,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO "version" VALUES('cccccccccccccccccccccccccccccccc',0,1,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
INSERT INTO words (rowid, prompt, answer) SELECT number, prompt, answer FROM turn WHERE finished;
PRAGMA user_version = 10;
