import './base.css';
import './chooser.css';
import './panel.css';
import './tree.css';
import './usage.css';
import './status.css';
import './cells.css';
