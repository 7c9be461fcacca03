/**
 * The types of the browser protocol, generated from cc_jupyter/comm_schema.json by
 * scripts/generate_protocol.py; never edited.
 */

export const PROTOCOL = 1;

/** The first message each way. */
export interface IHello {
  /** The version of the package that speaks. */
  readonly version: string;
}

/** Ask where the notebook stands: when a cell has ended. */
export interface IGetState {
  readonly notebook: string;
}

/** Where the notebook stands, at one instant. */
export interface IState {
  /** The id of the model that a cell without `-m` asks; `null`: none is chosen. */
  readonly model: string | null;
  /** The same without its maker. */
  readonly short_name: string | null;
  /** Which setting chose it. */
  readonly model_from: string | null;
  /** The conversation that a cell without `--thread` goes on with. */
  readonly thread: string;
  /** Tokens of the prompts, cached ones included, like `1,204`, or `1,204 + ?` where some were not reported. */
  readonly tokens_in: string;
  /** Tokens of the answers, written in the same way. */
  readonly tokens_out: string;
  /** What they cost, like `$1.23 + ~$0.0400 + 2 requests of unknown cost`. */
  readonly cost: string;
  /** What the three sums are of: all that the history knows of this notebook, or this kernel's requests in it. */
  readonly sums_of: 'notebook' | 'session';
  /** What is left of the budget and of which one, like `$0.41 of $0.50 per day`; `null`: there is none. */
  readonly budget_left: string | null;
  /** The request under way; `null`: none is. */
  readonly running: IRunning | null;
  /** By cell id: the turn that stands for the cell. */
  readonly cells: Readonly<Record<string, ICell>>;
}

/** A request under way. */
export interface IRunning {
  /** The cell that asked; `null` where it is not known (`--once`). */
  readonly cell_id: string | null;
  /** The conversation; `null`: it stands in none. */
  readonly thread: string | null;
  readonly model: string;
  /** Tokens of the answer so far, an estimate, like `~210`. */
  readonly tokens: string;
  /** Seconds since it was sent. */
  readonly elapsed_s: number;
}

/** How far the answer under way is: told when it is sent for, then twice a second at most, and when it has ended; the rest of the state changes only then. */
export interface IProgress {
  /** `null`: none is under way. */
  readonly running: IRunning | null;
  /** Whether a model, a thread or a version was chosen beside the cells, so that the state is to be asked for. */
  readonly changed?: boolean;
}

/** What a cell's last request left in a conversation. */
export interface ICell {
  readonly thread: string;
  /** Its number in the conversation, as `%cmd history` counts. */
  readonly turn: number;
  /** Who answered; `null` where nobody knows any more. */
  readonly model: string | null;
  /** Of the version that counts, like `~$0.0003`, or `?`. */
  readonly cost: string;
  /** How many answers there are, failed ones included. */
  readonly versions: number;
  /** Which of them counts, from 1; `null`: none has text. */
  readonly active: number | null;
  /** Whether something that the answer stood on has changed. */
  readonly stale: boolean;
  /** What has changed, in words; variables are looked at while no cell runs. */
  readonly reasons: readonly string[];
  /** Whether other turns stand above the cell in the document than stood before it when it ran. */
  readonly order_differs: boolean;
  /** Whether the answer was cut: by a limit, an interrupt or a lost connection. */
  readonly cut: boolean;
  /** Whether it is the last turn of its conversation, which `%cmd continue` carries on. */
  readonly last: boolean;
}

/** All models. */
export interface IModels {
  readonly rows: readonly IModel[];
  /** The id that is chosen now. */
  readonly current: string | null;
  /** Whether the provider's list is less than an hour old. */
  readonly fresh: boolean;
  /** How old list and prices are. */
  readonly note: string;
}

/** A model, with texts that are ready to be shown. */
export interface IModel {
  readonly id: string;
  readonly name: string;
  readonly maker: string;
  /** Price of a million tokens of the prompt, like `$0.14`, or `?`. */
  readonly input: string;
  /** Price of a million tokens of the answer. */
  readonly output: string;
  /** Both prices in one number, to sort by; `null`: unknown. */
  readonly cost: number | null;
  /** `free`, `low`, `middle`, `high` or `?`. */
  readonly band: string;
  /** The context window in tokens. */
  readonly window: number | null;
  /** The most tokens of an answer. */
  readonly ceiling: number | null;
  /** The highest temperature it takes. */
  readonly hottest: number;
  readonly endpoint: string;
  readonly efforts: readonly string[];
  /** Whether it sees images. */
  readonly image: boolean;
  /** Whether it thinks before it answers. */
  readonly reasons: boolean;
  readonly notes: readonly string[];
  /** What the last prompt would cost here; may be empty. */
  readonly last: string;
  /** How fast it was for this user; may be empty. */
  readonly speed: string;
  /** The words of `%cmd models` that fit it. */
  readonly words?: readonly string[];
}

/** Choose the model of this session, as `%cmd use` does. */
export interface ISetModel {
  /** An id or an alias. */
  readonly model: string;
  /** Whether it is kept in the user's settings. */
  readonly save?: boolean;
}

/** Go on with a conversation, as `%cmd thread` does: of this session, of the history, or a new one. */
export interface ISetThread {
  readonly thread: string;
}

/** Tell in which order the cells stand in the document; whenever it changes. */
export interface ISetOrder {
  readonly notebook: string;
  /** The ids of all cells, from top to bottom. */
  readonly cells: readonly string[];
}

/** Go on in a new conversation that shares everything up to a turn. */
export interface IFork {
  /** Where it branches off; one of this session. */
  readonly thread: string;
  /** The last turn that is shared. */
  readonly turn: number;
  /** What the new one is called. */
  readonly name: string;
}

/** What was asked for is done. */
export interface IDone {
  /** What is so now, in a few words; may be empty. */
  readonly said: string;
}

/** Ask for the conversations of a notebook. */
export interface IGetTree {
  readonly notebook: string;
}

/** The conversations of a notebook, each fork under what it was forked from. */
export interface ITree {
  /** The conversation that goes on. */
  readonly current: string;
  readonly threads: readonly IThread[];
}

/** A conversation and its forks. */
export interface IThread {
  readonly name: string;
  /** Whether it is of this session; others are in the history, and `set_thread` brings them back. */
  readonly live: boolean;
  /** How many of its first turns are those of the conversation it stands under. */
  readonly shared: number;
  readonly turns: readonly ITurn[];
  readonly forks: readonly IThread[];
}

/** A turn, as a line of the tree. */
export interface ITurn {
  readonly turn: number;
  /** The cell that asked; `null` where cells have no ids. */
  readonly cell_id: string | null;
  /** Its beginning, on one line. */
  readonly prompt: string;
  /** The beginning of the answer; empty: there is none. */
  readonly answer: string;
  readonly model: string | null;
  readonly cost: string;
  /** The stop reason. */
  readonly ended: string | null;
  readonly versions: number;
  readonly active: number | null;
  readonly stale: boolean;
  /** Whether nothing before it is sent. */
  readonly anew: boolean;
}

/** Ask what a notebook spent in this session. */
export interface IGetUsage {
  readonly notebook: string;
}

/** What a notebook spent in this session. */
export interface IUsage {
  /** By model, most requests first. */
  readonly rows: readonly IUsageRow[];
  readonly total: IUsageRow;
  /** For a plot, oldest first. */
  readonly points: readonly IUsagePoint[];
  /** Requests of unknown cost, which the points leave out of their sums. */
  readonly unknown: number;
}

/** Sums over requests. */
export interface IUsageRow {
  /** `all` in the total. */
  readonly model: string;
  readonly requests: number;
  /** Of them: refused or broken off. */
  readonly failed: number;
  readonly tokens_in: string;
  readonly tokens_out: string;
  readonly cost: string;
}

/** How much was spent when a request had ended. */
export interface IUsagePoint {
  /** ISO 8601, UTC. */
  readonly sent_at: string;
  /** Known and estimated cost so far, in US dollars. */
  readonly usd: number;
  /** Reported tokens so far, in and out. */
  readonly tokens: number;
}

/** Look for words in the prompts and answers of all notebooks. */
export interface ISearch {
  readonly text: string;
}

/** The turns that hold the words, best first. */
export interface IFound {
  readonly turns: readonly IFoundTurn[];
}

/** A turn that was found. */
export interface IFoundTurn {
  /** Its id in the history, which `%cmd sent` takes. */
  readonly id: string;
  /** The place that was found, the words between `**`. */
  readonly snippet: string;
  /** The whole prompt, to be put into a cell. */
  readonly prompt: string;
  readonly thread: string | null;
  /** Path of its notebook; may be empty. */
  readonly notebook: string;
  readonly cell_id: string | null;
  readonly model: string;
  /** ISO 8601, UTC. */
  readonly sent_at: string;
}

/** Ask for all answers that a cell got. */
export interface IGetVersions {
  readonly notebook: string;
  readonly cell_id: string;
}

/** All answers that a cell got, oldest first. */
export interface IVersions {
  readonly thread: string;
  readonly turn: number;
  /** Which of them counts; `null`: none. */
  readonly active: number | null;
  readonly versions: readonly IVersion[];
}

/** An answer. */
export interface IVersion {
  readonly version: number;
  /** As far as it came; may be empty. */
  readonly answer: string;
  readonly model: string | null;
  /** ISO 8601, UTC. */
  readonly sent_at: string | null;
  /** The stop reason. */
  readonly ended: string | null;
  readonly cost: string;
}

/** Compare two answers of a cell word by word. */
export interface IGetDiff {
  readonly notebook: string;
  readonly cell_id: string;
  /** A version, from 1. */
  readonly before: number;
  readonly after: number;
}

/** How two answers differ. */
export interface IDiff {
  readonly pieces: readonly IPiece[];
}

/** A piece of a comparison. */
export interface IPiece {
  /** It stayed, went or came. */
  readonly kind: '=' | '-' | '+';
  readonly text: string;
}

/** Let another answer of a cell count; later turns become stale. */
export interface IChooseVersion {
  readonly notebook: string;
  readonly cell_id: string;
  readonly version: number;
}

/** Ask for the answer of a cell that counts. */
export interface IGetAnswer {
  readonly notebook: string;
  readonly cell_id: string;
}

/** The answer of a cell that counts. */
export interface IAnswer {
  readonly version: number;
  /** As the model wrote it. */
  readonly markdown: string;
  /** The contents of its code blocks, in order. */
  readonly code: readonly string[];
  /** The code blocks as the text of one new cell; empty: there are none. */
  readonly one_cell: string;
  /** What the cell shows when this answer counts: nbformat's outputs, with the reasoning if the settings show it. */
  readonly outputs: readonly IOutput[];
}

/** An output as a notebook saves it. */
export interface IOutput {
  readonly output_type: 'display_data';
  /** By MIME type. */
  readonly data: Readonly<Record<string, string>>;
  /** As `metadata_schema.json` has it, under `cc_jupyter`. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Ask which cells are stale, and what running them again would cost. */
export interface IGetRefreshPlan {
  readonly notebook: string;
}

/** The stale cells in the order in which they have to run. */
export interface IRefreshPlan {
  readonly cells: readonly IRefreshCell[];
  /** What all of them would cost, as sums are written; mostly an estimate. */
  readonly cost: string;
}

/** A stale cell. */
export interface IRefreshCell {
  readonly cell_id: string;
  readonly thread: string;
  readonly reasons: readonly string[];
  /** Like `~$0.0003`, or `?`. */
  readonly cost: string;
}

/** End what a cell waits for, exactly as an interrupt of the kernel does. */
export interface IStop {
  readonly cell_id: string;
}

/** Whether there was a request to end; if not, the kernel is to be interrupted. */
export interface IStopped {
  readonly stopped: boolean;
}

/** What was asked for could not be done. */
export interface IError {
  /** One sentence: what happened. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | null;
}

/** What each question holds, by its type. */
export interface IRequests {
  readonly hello: IHello;
  readonly get_state: IGetState;
  readonly list_models: Record<string, never>;
  readonly refresh_models: Record<string, never>;
  readonly set_model: ISetModel;
  readonly set_thread: ISetThread;
  readonly set_order: ISetOrder;
  readonly fork: IFork;
  readonly get_tree: IGetTree;
  readonly get_usage: IGetUsage;
  readonly search: ISearch;
  readonly get_versions: IGetVersions;
  readonly get_diff: IGetDiff;
  readonly choose_version: IChooseVersion;
  readonly get_answer: IGetAnswer;
  readonly get_refresh_plan: IGetRefreshPlan;
  readonly stop: IStop;
}

/** What answers each question, by the type of the question. */
export interface IReplies {
  readonly hello: IHello;
  readonly get_state: IState;
  readonly list_models: IModels;
  readonly refresh_models: IModels;
  readonly set_model: IDone;
  readonly set_thread: IDone;
  readonly set_order: IDone;
  readonly fork: IDone;
  readonly get_tree: ITree;
  readonly get_usage: IUsage;
  readonly search: IFound;
  readonly get_versions: IVersions;
  readonly get_diff: IDiff;
  readonly choose_version: IAnswer;
  readonly get_answer: IAnswer;
  readonly get_refresh_plan: IRefreshPlan;
  readonly stop: IStopped;
}

/** The type of the answer to each question. */
export const REPLY_TYPES = {
  hello: 'hello',
  get_state: 'state',
  list_models: 'models',
  refresh_models: 'models',
  set_model: 'done',
  set_thread: 'done',
  set_order: 'done',
  fork: 'done',
  get_tree: 'tree',
  get_usage: 'usage',
  search: 'found',
  get_versions: 'versions',
  get_diff: 'diff',
  choose_version: 'answer',
  get_answer: 'answer',
  get_refresh_plan: 'refresh_plan',
  stop: 'stopped'
} as const;
