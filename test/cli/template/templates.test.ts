/** What templates make, as docker's own client makes it of the same data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileTemplate } from '../../../src/cli/template/format-flag.ts';
import { textMap } from '../../../src/cli/template/values.ts';
import { engineError } from '../../support/engine-errors.ts';

/** The data of `docker context inspect`, which needs no daemon: the results are that client's. */
const DATA = {
  Name: 'default',
  Endpoints: new Map([['docker', { Host: 'unix:///x.sock', SkipTLSVerify: false }]]),
  Empty: new Map(),
  Labels: textMap({ 'a.b': 'dotted', plain: 'p' }),
  Storage: { MetadataPath: '<IN MEMORY>', TLSPath: '<IN MEMORY>' },
  Health: undefined,
  Nothing: null,
  Label: (key: unknown) => `label ${key}`,
};

const ROWS: readonly (readonly [template: string, text: string])[] = [
  // Text, trimming, comments
  ['plain', 'plain'],
  ['a  {{- "b" -}}  c', 'abc'],
  ['{{ "x" -}} y', 'xy'],
  ['{{- 3}}', '3'],
  ['{{3 -}}', '3'],
  ['{{-3}}', '-3'],
  ['{{/* c */}}x', 'x'],
  ['  {{- /* c */ -}}  x', 'x'],
  ['{{"a"}}{{/* }} */}}b', 'ab'],
  ['{{"}}"}}', '}}'],
  ['\\t\\n', '\\t\\n'],
  // Literals
  [
    "{{true}} {{1.5}} {{1e3}} {{0x10}} {{'a'}} {{1e100}} {{0.1}} {{1e-7}}",
    'true 1.5 1000 16 97 1e+100 0.1 1e-07',
  ],
  ['{{123456789.5}} {{2.50}}', '1.234567895e+08 2.5'],
  ['{{"a\\tb\\u00e9\\x41"}}', 'a\tbéA'],
  ['{{`raw\\n`}}', 'raw\\n'],
  // Fields, maps, structures
  ['{{.Name}}', 'default'],
  ['{{$.Name}} {{(.Name)}}', 'default default'],
  ['{{.Endpoints.docker.Host}}', 'unix:///x.sock'],
  ['{{.Endpoints}}', 'map[docker:{unix:///x.sock false}]'],
  ['{{(index .Endpoints "docker").Host}}', 'unix:///x.sock'],
  ['{{.Storage}}', '{<IN MEMORY> <IN MEMORY>}'],
  ['{{.Empty}} {{.Empty.x}} {{.Empty.x.y}}', 'map[] <no value> <no value>'],
  ['{{.Labels.plain}} {{.Labels.none}}', 'p <no value>'],
  ['{{index .Labels "a.b"}}|{{index .Labels "none"}}|', 'dotted||'],
  ['{{.Health}}', '<nil>'],
  ['{{.Label "x"}}', 'label x'],
  ['{{"x" | .Label}}', 'label x'],
  // Functions
  ['{{len "abc"}} {{len .Endpoints}} {{.Name|len}}', '3 1 7'],
  ['{{index (split "a b" " ") 1}}', 'b'],
  ['{{slice "abcdef" 1 3}}', 'bc'],
  [
    '{{eq 1 2 3 1}} {{ne "a" "b"}} {{lt 1 2}} {{le 2 1}} {{gt 2 1}} {{ge "b" "a"}}',
    'true true true false true true',
  ],
  ['{{not 0}} {{or "" "x"}} {{and 1 0}} {{1 | eq 1}}', 'true x 0 true'],
  ['{{or .Name (index (split "" ",") 9)}}', 'default'],
  ['{{print "a" 1 2 "b"}}|{{println "a" 1 2}}|{{print nil}}', 'a1 2b|a 1 2\n|<nil>'],
  ['{{json "a<b"}} {{json (split "a b" " ")}}', '"a<b" ["a","b"]'],
  ['{{json .Endpoints}}', '{"docker":{"Host":"unix:///x.sock","SkipTLSVerify":false}}'],
  ['{{json .Nothing}} {{json .Health}} {{json .Empty.x}}', 'null null null'],
  ['{{join (split "a b" " ") "-"}}', 'a-b'],
  [
    '{{upper "aé"}} {{"AB" | lower}} {{title "hello world_x don\'t a-b"}}',
    "AÉ ab Hello World_x Don'T A-B",
  ],
  ['{{pad "x" 1 2}}|{{truncate "hello" 3}}', ' x  |hel'],
  [
    '{{printf "%q %v %d %05d %-5s|%5.2f %x %t %%" "a\\n" 3 4 5 "ab" 1.5 255 true}}',
    '"a\\n" 3 4 00005 ab   | 1.50 ff true %',
  ],
  ['{{printf "%6.3v|%+d|%08.3f" "abcdef" 5 3.14159}}', '   abc|+5|0003.142'],
  [
    '{{printf "%v %s %q %c" (split "a b" " ") (split "a b" " ") (split "a b" " ") 65}}',
    '[a b] [a b] ["a" "b"] A',
  ],
  [
    '{{printf "%s" 5}} {{printf "%d" "x"}} {{printf "%d"}} {{printf "a" 1}}',
    '%!s(int=5) %!d(string=x) %!d(MISSING) a%!(EXTRA int=1)',
  ],
  ['{{"a" | printf "%s-%s" "b"}}', 'b-a'],
  // Control
  ['{{if and true (eq 1 1)}}y{{else if false}}m{{else}}n{{end}}', 'y'],
  ['{{if 0}}y{{else if "x"}}m{{else}}n{{end}}', 'm'],
  ['{{if .Health}}y{{else}}n{{end}}{{if .Storage}}y{{end}}', 'ny'],
  ['{{with $x := "v"}}{{$x}}{{.}}{{else}}none{{end}}', 'vv'],
  ['{{with .Empty}}m{{else}}empty{{end}}', 'empty'],
  ['{{with false}}a{{else with 5}}{{.}}{{end}}', '5'],
  ['{{range split "a,b" ","}}[{{.}}]{{end}}', '[a][b]'],
  ['{{range $i, $x := split "a,b,c" ","}}{{if $i}}, {{end}}{{$i}}={{$x}}{{end}}', '0=a, 1=b, 2=c'],
  [
    '{{range $k, $v := .Endpoints}}{{$k}}:{{$v.Host}} {{$.Name}}{{end}}',
    'docker:unix:///x.sock default',
  ],
  ['{{range .Empty}}x{{else}}none{{end}}', 'none'],
  ['{{range .Nothing}}x{{else}}none{{end}}', 'none'],
  ['{{range 3}}{{.}}{{end}}', '012'],
  [
    '{{range split "a b c d" " "}}{{if eq . "b"}}{{continue}}{{end}}{{if eq . "d"}}{{break}}{{end}}{{.}}{{end}}',
    'ac',
  ],
  ['{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}', '2'],
  ['{{ $x:="a" }}{{if true}}{{$x := "b"}}{{$x}}{{end}}{{$x}}', 'ba'],
];

describe('a template', () => {
  for (const [template, text] of ROWS) {
    it(`${JSON.stringify(template)} makes ${JSON.stringify(text)}`, () => {
      assert.equal(compileTemplate(template)(DATA), text);
    });
  }

  it('shows control characters of data escaped, and ends of lines and tabs as they are', () => {
    const text = compileTemplate('{{.A}}')({ A: 'a\u001b[31m\nb\tc\u202e' });
    assert.equal(text, 'a\\x1b[31m\nb\tc\\u202e');
  });

  it('does not reach what JavaScript adds to data', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      assert.throws(() => compileTemplate(`{{.${name}}}`)({ A: 1 }), engineError('USAGE_INVALID'));
      assert.equal(compileTemplate(`{{.M.${name}}}`)({ M: new Map() }), '<no value>');
    }
  });
});

const REFUSED: readonly (readonly [template: string, why: RegExp])[] = [
  ['{{.Nmae}}', /there is no field "\.Nmae"/],
  ['{{.Name.x}}', /\.x cannot be looked up in a text/],
  ['{{.Health.Status}}', /\.Status cannot be looked up/],
  ['{{.Name "x"}}', /\.Name is no function/],
  ['{{foo}}', /there is no function "foo"/],
  ['{{$y}}', /there is no variable "\$y"/],
  ['{{if true}}{{$y := 1}}{{end}}{{$y}}', /there is no variable "\$y"/],
  ['{{.Name', /has no end "}}"/],
  ['{{"a}}', /has no end/],
  ['{{/* a }}', /has no end/],
  ['{{end}}', /there is nothing that "{{end}}" ends/],
  ['{{if true}}x', /has no {{end}}/],
  ['{{if}}x{{end}}', /has nothing to show/],
  ['{{if true}}{{else}}{{else}}{{end}}', /two {{else}}/],
  ['{{range .Empty}}{{else range .Empty}}{{end}}', /does not go with/],
  ['{{break}}', /outside of a range/],
  ['{{ }}', /has nothing to show/],
  ['{{nil}}', /nil alone/],
  ['{{1 2}}', /calls what is no function/],
  ['{{.Name | "x"}}', /pipes into what is no function/],
  ['{{(.Name}}', /a "\)" is missing/],
  ['{{.Name)}}', /"\)" too many/],
  ['{{"a""b"}}', /a space is missing/],
  ['{{?}}', /unexpected "\?/],
  ['{{range .Name}}x{{end}}', /range cannot go over a text/],
  ['{{len 3}}', /len takes a text, a list or a map, not a number/],
  ['{{upper 3}}', /upper takes a text, not a number/],
  ['{{3|upper}}', /upper takes a text, not a number/],
  ['{{eq 1 "a"}}', /a number cannot be compared with a text/],
  ['{{index (split "a" ",") 1}}', /index 1 is out of range/],
  ['{{upper}}', /"upper" takes 1 arguments, not 0/],
  ['{{template "x"}}', /template is not supported/],
];

describe('a template that cannot be', () => {
  for (const [template, why] of REFUSED) {
    it(`is refused with a reason: ${template}`, () => {
      assert.throws(() => compileTemplate(template)(DATA), engineError('USAGE_INVALID', why));
    });
  }

  it('is told the field that was probably meant', () => {
    assert.throws(() => compileTemplate('{{.Nmae}}')(DATA), hinted(/Did you mean "\.Name"\?/));
  });
});

function hinted(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Error && 'hint' in error && pattern.test(String(error.hint));
}
