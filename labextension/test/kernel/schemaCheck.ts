/** The subset of JSON Schema that `comm_schema.json` uses. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

interface ISchema {
  readonly type?: string | readonly string[];
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly ISchema[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, ISchema>>;
  readonly additionalProperties?: ISchema;
  readonly items?: ISchema;
  readonly $ref?: string;
}

export interface IProtocolSchema extends ISchema {
  readonly $defs: Readonly<Record<string, ISchema & { readonly 'x-reply'?: string }>>;
}

/** Return where a value differs from a part of the schema; empty if it is valid. */
export function faults(root: IProtocolSchema, part: ISchema, value: Json, path = ''): string[] {
  if (part.$ref !== undefined) {
    const name = part.$ref.replace('#/$defs/', '');
    return faults(root, root.$defs[name] ?? {}, value, path);
  }
  if (part.anyOf) {
    const fits = part.anyOf.some(each => faults(root, each, value, path).length === 0);
    return fits ? [] : [`${path}: none of several`];
  }
  const kinds = part.type === undefined ? [] : [part.type].flat();
  if (kinds.length > 0 && !kinds.some(kind => isKind(kind, value))) {
    return [`${path}: not ${kinds.join(' or ')}`];
  }
  const allowed = part.const === undefined ? part.enum : [part.const];
  if (allowed && !allowed.includes(value)) {
    return [`${path}: not one of ${JSON.stringify(allowed)}`];
  }
  return [...sizeFaults(part, value, path), ...innerFaults(root, part, value, path)];
}

function sizeFaults({ minLength, minimum }: ISchema, value: Json, path: string): string[] {
  const isShort = typeof value === 'string' && value.length < (minLength ?? 0);
  const isSmall = typeof value === 'number' && value < (minimum ?? -Infinity);
  return isShort || isSmall ? [`${path}: too small`] : [];
}

function innerFaults(root: IProtocolSchema, part: ISchema, value: Json, path: string): string[] {
  if (Array.isArray(value)) {
    const { items } = part;
    return items ? value.flatMap((each, at) => faults(root, items, each, `${path}/${at}`)) : [];
  }
  if (typeof value !== 'object' || value === null) {
    return [];
  }
  const missing = (part.required ?? []).filter(name => !(name in value));
  const members = Object.entries(value).flatMap(([name, each]) => {
    const schema = part.properties?.[name] ?? part.additionalProperties;
    return schema ? faults(root, schema, each, `${path}/${name}`) : [];
  });
  return [...missing.map(name => `${path}: no ${name}`), ...members];
}

function isKind(kind: string, value: Json): boolean {
  switch (kind) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === kind;
  }
}
