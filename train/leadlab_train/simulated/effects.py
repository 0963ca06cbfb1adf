"""Which ECG parameters move with which laboratory value: signs and rough sizes.

Directions follow the literature where it speaks; sizes are set by configuration and are no
physiology: how *much* of an analyte shows is scaled afterwards to the study's AUROC. Sources:

- potassium: tall, narrow, symmetric T, small U (Attia 2016 JAHA 5:e002746; Corsi 2017 Sci Rep
  7:42492; Levis 2012 Perm J)
- calcium: ST length, T shape kept (Davis 1995 Br Heart J 73:523; Rumancik 1978 JAMA 240:366)
- uraemia: long ST with tall narrow T, left ventricular hypertrophy (texts)
- congestion: wide QRS, long P, low T, fast and rigid rate (Alcaraz 2024 arXiv:2411.14886)
- inflammation: fast and rigid rate (Jensen 2019 Acute Med; Prabhakar 2019 PLoS ONE)
- haemoglobin: slower rate, shorter QT, taller T (Bazmi 2025; Scheller 2011 Shock)
- thyroid hormone: fast rate, short PR and QRS, flat T (GESUS, 20,852 people)
- glycaemia: rigid rate, longer Tpeak-Tend (PMC4243814); low glucose lengthens QT (Robinson 2003
  Diabetes 52:1469)
- albumin: larger voltages, slower rate (Brody effect)
"""

PARAMETERS = (
    *("hr", "hrv", "pr", "p_amplitude", "p_duration", "qrs", "q_ratio", "s_ratio"),
    *("st_length", "st_level", "t_amplitude", "t_width", "t_asymmetry", "u_amplitude"),
)

FACTORS: dict[str, dict[str, float]] = {
    "renal": {
        **{"st_length": 0.5, "t_amplitude": 0.45, "t_width": -0.4, "s_ratio": 0.4},
        **{"hrv": -0.25, "p_duration": 0.25},
    },
    "congestion": {
        **{"qrs": 0.55, "p_duration": 0.45, "hr": 0.3, "t_amplitude": -0.4},
        **{"hrv": -0.2, "q_ratio": 0.25, "st_level": -0.2},
    },
    "inflammation": {
        **{"hr": 0.4, "hrv": -0.3, "pr": -0.35, "t_amplitude": -0.45},
        **{"p_amplitude": 0.4, "s_ratio": -0.3},
    },
    "red_cells": {
        **{"hr": -0.25, "st_length": -0.45, "t_amplitude": 0.5, "s_ratio": 0.3},
        **{"q_ratio": -0.3, "p_amplitude": -0.2},
    },
    "hepatic": {
        **{"st_length": 0.4, "t_width": 0.5, "u_amplitude": 0.25, "p_duration": 0.3},
        **{"hr": 0.2, "qrs": -0.3},
    },
    "acidosis": {
        **{"hr": 0.3, "hrv": -0.2, "t_amplitude": -0.35, "st_level": -0.45},
        **{"t_width": -0.35, "pr": 0.35},
    },
    "thyroid": {
        **{"hr": 0.35, "pr": -0.45, "qrs": -0.4, "t_amplitude": -0.35},
        **{"t_asymmetry": -0.2, "p_amplitude": 0.3},
    },
    "glycaemia": {
        **{"hr": 0.2, "hrv": -0.3, "t_width": 0.5, "t_asymmetry": -0.3},
        **{"q_ratio": 0.3, "p_duration": 0.3},
    },
    "lipids": {
        **{"q_ratio": 0.45, "t_amplitude": -0.35, "st_level": -0.3, "p_duration": 0.35},
        **{"hrv": -0.2, "qrs": 0.25},
    },
    "protein": {
        **{"hr": -0.3, "s_ratio": 0.45, "t_amplitude": 0.35, "p_amplitude": -0.35},
        **{"q_ratio": 0.3, "st_length": -0.25},
    },
    "potassium": {
        **{"t_amplitude": 0.6, "t_width": -0.4, "t_asymmetry": -0.35, "u_amplitude": -0.35},
        **{"p_amplitude": -0.25, "st_level": 0.2},
    },
    "calcium": {"st_length": -0.85, "t_width": -0.2, "u_amplitude": 0.15, "pr": 0.2},
    "water": {"qrs": -0.35, "s_ratio": 0.35, "t_width": 0.35, "pr": 0.4, "hr": 0.25},
    "clotting": {"p_amplitude": -0.45, "p_duration": 0.45, "qrs": 0.35, "pr": 0.35, "hr": 0.2},
    "iron": {"t_amplitude": 0.4, "q_ratio": -0.4, "st_level": 0.35, "hr": -0.3, "qrs": -0.3},
}

# Analyte (as the panel names it) -> loadings on factors and single parameters, for a HIGH value.
ANALYTES: dict[str, dict[str, float]] = {
    "LDH, TOTAL": {"hepatic": 0.5, "inflammation": 0.6, "q_ratio": 0.4},
    "BNP, NT-PRO": {"congestion": 1.0, "renal": 0.2},
    "CALCIUM, IONIZED": {"calcium": 1.0},
    "CORRECTED CALCIUM": {"calcium": 0.9, "protein": -0.3},
    "CALCIUM": {"calcium": 0.9, "protein": 0.4},
    "BLOOD UREA NITROGEN (BUN)": {"renal": 0.8, "congestion": 0.4, "water": 0.2},
    "CREATININE": {"renal": 1.0, "potassium": 0.2},
    "PHOSPHORUS": {"renal": 0.8, "calcium": -0.5},
    "POTASSIUM": {"potassium": 1.0, "renal": 0.15},
    "MAGNESIUM": {"potassium": 0.5, "pr": 0.5, "renal": 0.4},
    "SODIUM": {"water": 1.0, "congestion": -0.2},
    "CHLORIDE": {"water": 0.8, "acidosis": 0.4},
    "OSMOLALITY, SERUM": {"water": 0.7, "renal": 0.5, "glycaemia": 0.3},
    "OSMOLALITY, CALCULATED": {"water": 0.7, "renal": 0.4, "glycaemia": 0.4},
    "OSMOLAL GAP, SER/PLAS": {"acidosis": 0.6, "u_amplitude": 0.5},
    "ANION GAP": {"acidosis": 0.9, "renal": 0.3},
    "CO2": {"acidosis": -0.9, "p_amplitude": 0.4},
    "LACTATE.WHOLE BLD": {"acidosis": 0.8, "inflammation": 0.4},
    "GLUCOSE": {"glycaemia": 1.0, "st_length": -0.3},
    "TRIGLYCERIDE": {"lipids": 0.8, "glycaemia": 0.5},
    "CHOLESTEROL, TOTAL": {"lipids": 0.9, "protein": 0.3},
    "CHOLESTEROL, DIRECT LDL": {"lipids": 1.0, "s_ratio": 0.3},
    "CHOLESTEROL, NON-HDL (CALCULATED)": {"lipids": 1.0, "glycaemia": 0.2},
    "CHOLESTEROL, HDL": {"lipids": -0.6, "glycaemia": -0.5, "pr": 0.3},
    "CHOLESTEROL/HDL": {"lipids": 0.8, "glycaemia": 0.4, "pr": -0.3},
    "CHOL/LDLD RATIO": {"lipids": -0.8, "u_amplitude": 0.4},
    "ALBUMIN": {"protein": 1.0, "inflammation": -0.3},
    "PROTEIN, TOTAL": {"protein": 0.9, "water": 0.3},
    "GLOBULIN": {"inflammation": 0.5, "protein": -0.4, "t_width": 0.5},
    "BILIRUBIN, TOTAL": {"hepatic": 1.0, "congestion": 0.3},
    "AST (SGOT)": {"hepatic": 0.9, "st_level": 0.4},
    "ALT (SGPT)": {"hepatic": 0.9, "glycaemia": 0.3},
    "ALKALINE PHOSPHATASE": {"hepatic": 0.8, "inflammation": 0.4},
    "AMMONIA, PLASMA": {"hepatic": 0.9, "acidosis": 0.3},
    "LIPASE": {"hepatic": 0.6, "inflammation": 0.4, "st_level": -0.4},
    "ETHANOL.SER/PLAS": {"hepatic": 0.4, "p_duration": 0.5, "hr": 0.4, "t_asymmetry": 0.3},
    "PROTHROMBIN TIME": {"clotting": 1.0, "hepatic": 0.3},
    "PART. THROMBOPLASTIN TIME": {"clotting": 0.9, "hepatic": 0.3},
    "D-DIMER": {"clotting": 0.4, "inflammation": 0.6, "congestion": 0.3},
    "D-DIMER, ELISA": {"clotting": 0.4, "inflammation": 0.6, "congestion": 0.3},
    "HIGH SENSITIVITY TROPONIN": {"congestion": 0.7, "st_level": -0.4, "renal": 0.3},
    "TROPONIN I": {"congestion": 0.6, "st_level": -0.5, "q_ratio": 0.3},
    "CK, TOTAL": {"inflammation": 0.3, "s_ratio": 0.5, "st_level": 0.5},
    "HEMATOCRIT (HCT)": {"red_cells": 1.0},
    "RED BLOOD CELLS (RBC)": {"red_cells": 1.0, "protein": 0.2},
    "RED CELL DISTRIBUTION WIDTH (RDW)": {"red_cells": -0.6, "congestion": 0.5, "renal": 0.3},
    "MEAN CORPUSCULAR VOLUME (MCV)": {"hepatic": 0.6, "iron": 0.6},
    "PLATELET COUNT (PLT)": {"inflammation": 0.5, "hepatic": -0.4, "pr": -0.4},
    "WHITE BLOOD CELLS (WBC)": {"inflammation": 1.0, "acidosis": 0.2},
    "NEUTROPHIL % (AUTO DIFF)": {"inflammation": 0.9, "glycaemia": 0.3},
    "LYMPHOCYTE % (AUTO DIFF)": {"inflammation": -0.9, "congestion": -0.3},
    "MONOCYTE % (AUTO DIFF)": {"inflammation": -0.5, "u_amplitude": 0.3, "qrs": 0.5},
    "EOSINOPHIL % (AUTO DIFF)": {"inflammation": -0.6, "p_duration": 0.4, "t_width": 0.4},
    "BASOPHIL % (AUTO DIFF)": {"inflammation": -0.6, "s_ratio": 0.4, "st_length": 0.4},
    "IMMATURE GRANULOCYTE % (AUTODIFF) WAM": {"inflammation": 0.8, "renal": 0.4},
    "C-REACTIVE PROTEIN (CRP)": {"inflammation": 1.0, "protein": -0.3},
    "PROCALCITONIN": {"inflammation": 0.8, "renal": 0.4},
    "ESR (AUTOMATED)": {"inflammation": 0.6, "red_cells": -0.5},
    "FERRITIN": {"inflammation": 0.4, "iron": 0.6, "hepatic": 0.3},
    "IRON, TOTAL": {"iron": 1.0},
    "TRANSFERRIN SATURATION": {"iron": 1.0, "hepatic": 0.3},
    "IRON>TIBC RATIO": {"iron": 1.0, "hepatic": 0.3},
    "TIBC": {"iron": -0.8, "protein": 0.4},
    "UIBC": {"iron": -1.0, "protein": 0.2},
    "FREE THYROXINE": {"thyroid": 1.0},
    "TSH": {"thyroid": -0.9, "lipids": 0.3},
}
